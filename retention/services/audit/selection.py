"""What an audit is about, and the audit of it with everything beside the packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from retention.catalog.audit_records import AuditSampleRecord
from retention.catalog.records import PackageSummary
from retention.model.clock import parse_instant
from retention.model.findings import Finding
from retention.services.audit import beside, extra, planning
from retention.services.audit.audit import Audit, AuditReport, Task
from retention.services.audit.chance import unforeseen
from retention.services.audit.days import commit_days
from retention.services.audit.drawing import drawn
from retention.services.audit_record import Method
from retention.services.entries.audits import BESIDE_STATE
from retention.services.move.budget import Limits
from retention.services.progress import Progress
from retention.services.sessions import Session
from retention.services.stores import Stores

BESIDE_EVERY = timedelta(days=1)
SEED_BYTES = 16
PAGE = 200


@dataclass(frozen=True, slots=True)
class Work:
    """What one run does. Only the audit of everything looks beside packages each time; a scheduled one (`is_round`)
    does once a day, and says what is late."""

    mode: str
    tasks: Iterable[Task]
    is_everything: bool = False
    is_round: bool = False
    limits: Limits | None = None
    stop: Callable[[], bool] = lambda: False
    late: Callable[[], Iterable[Finding]] = tuple


@dataclass(frozen=True, slots=True)
class Selection:
    """One study's packages, one tier's, a random share of all (`sample`, above 0 and at most 1), or (nothing named)
    all; by which method."""

    tier: str | None = None
    study_uid: str | None = None
    institution: str | None = None
    sample: float | None = None
    method: Method = Method.FULL

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

    def work(self, stores: Stores) -> Work:
        """Return what is to be done. Raises as `packages`."""
        if self.sample is None:
            tasks = (Task(package, self.method) for package in self.packages(stores))
            is_everything = self.tier is None and self.study_uid is None and self.method is Method.FULL
            return Work(self._named(self.mode), tasks, is_everything=is_everything)
        seed = unforeseen(SEED_BYTES)
        tasks = (Task(package, self.method) for package in _sampled(stores, self.sample, seed))
        return Work(self._named(f"sample {self.sample:.6%} {seed.hex()}"), tasks)

    def _named(self, mode: str) -> str:
        return mode if self.method is Method.FULL else f"{mode} {self.method}"


def _sampled(stores: Stores, share: float, seed: bytes) -> Iterator[PackageSummary]:
    """Draw a share of each tier's packages (`planning.draws`)."""
    audits, now = stores.catalog.audits, stores.clock.now()
    among = audits.newest_row()
    for tier in stores.settings.tiers:
        packages = planning.sample_size(share, audits.count_on(tier))
        sample = AuditSampleRecord(tier, 0, 0, now, seed, packages, among)
        rows = [reading.row for reading in drawn(stores, sample)] if packages else []
        for start in range(0, len(rows), PAGE):
            yield from audits.packages(rows[start : start + PAGE])


def audit(stores: Stores, what: Selection | Work, progress: Progress, *, repair: bool) -> AuditReport:
    """Audit what was selected, and repair it unless told not to.

    Raises NotFoundError, and JournalBrokenError when the journal is whole on no replica: without it nothing may change.
    """
    started_s = stores.clock.monotonic_s()
    work = what.work(stores) if isinstance(what, Selection) else what
    is_beside = work.is_everything or (work.is_round and _is_beside_due(stores))
    volumes = list(beside.check_volumes(stores, repair=repair))
    if any(finding.repaired for finding in volumes):
        stores.reopen_replicas()
    with ExitStack() as stack:
        session = stack.enter_context(Session(stores.root)) if repair else None
        run = Audit(stores, session, work.mode, work.limits)
        run.add_findings(volumes)
        if is_beside or not work.is_round:
            run.add_findings(beside.check_replicas(stores, repair=repair))
        run.run(work.tasks, progress, stop=work.stop)
        extra.drop_redundant(stores, run.misplaced)
        if is_beside and not run.report.left:
            run.add_findings(extra.check_extra(stores))
            run.add_findings(beside.check_keys(stores))
            run.note_beside()
        run.commit()
        run.add_late(work.late())
        run.commit()
    commit_days(stores)
    if run.report.asleep:
        run.report.not_checked.append(
            f"{run.report.asleep} packages on tiers that answer slowly: they are there, of the right length, not read"
        )
    why = beside.why_unchecked(stores)
    if why is not None:
        run.report.not_checked.append(f"keyring: {why}")
    run.report.seconds = stores.clock.monotonic_s() - started_s
    return run.report


def _is_beside_due(stores: Stores) -> bool:
    last = stores.catalog.state(BESIDE_STATE)
    return last is None or parse_instant(last) + BESIDE_EVERY <= stores.clock.now()
