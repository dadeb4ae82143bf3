"""Which packages an audit is about, and the audit of them with everything beside them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from retention.catalog.records import PackageSummary
from retention.services.audit import beside, extra
from retention.services.audit.audit import Audit, AuditReport
from retention.services.progress import Progress
from retention.services.sessions import Session
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class Selection:
    """One study's packages, one tier's, or (nothing named) all. Only the audit of all looks beside packages too."""

    tier: str | None = None
    study_uid: str | None = None
    institution: str | None = None

    @property
    def is_everything(self) -> bool:
        return self.tier is None and self.study_uid is None

    @property
    def mode(self) -> str:
        if self.study_uid is not None:
            return "study"
        return "all" if self.tier is None else f"tier {self.tier}"

    def packages(self, stores: Stores) -> Iterable[PackageSummary]:
        """Yield the packages, oldest readings first. Raises NotFoundError for an unknown tier or study."""
        if self.study_uid is not None:
            return stores.catalog.packages_of(self.study_uid, self.institution)
        if self.tier is not None:
            stores.volumes.tier(self.tier)
        return stores.catalog.all_packages(tier=self.tier)


def audit(stores: Stores, selection: Selection, progress: Progress, *, repair: bool) -> AuditReport:
    """Audit what was selected, and repair it unless told not to.

    Raises NotFoundError, and JournalBrokenError when the journal is whole on no replica: without it nothing may change.
    """
    started_s = stores.clock.monotonic_s()
    packages = selection.packages(stores)
    volumes = list(beside.check_volumes(stores, repair=repair))
    if any(finding.repaired for finding in volumes):
        stores.reopen_replicas()
    with ExitStack() as stack:
        session = stack.enter_context(Session(stores.root)) if repair else None
        run = Audit(stores, session, selection.mode)
        run.add_findings(volumes)
        run.add_findings(beside.check_replicas(stores, repair=repair))
        run.run(packages, progress)
        extra.drop_redundant(stores, run.misplaced)
        if selection.is_everything:
            run.add_findings(extra.check_extra(stores))
            run.add_findings(beside.check_keys(stores))
        run.commit()
    if run.report.asleep:
        run.report.not_checked.append(
            f"{run.report.asleep} packages on tiers that answer slowly: they are there, of the right length, not read"
        )
    why = beside.why_unchecked(stores)
    if why is not None:
        run.report.not_checked.append(f"keyring: {why}")
    run.report.seconds = stores.clock.monotonic_s() - started_s
    return run.report
