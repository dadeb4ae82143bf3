"""The fixity audit: every chosen package checked, damage found, repaired and recorded.

One bad package never stops the round. Results are committed in batches as the audit goes, so an interrupted one loses
no more than a batch of results, and nothing else: what was read is not due again. Repairs keep to a rate, and stop when
so much is bad that the machine itself has to be doubted (`doubt`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from retention.catalog.records import PackageSummary, ShardRecord, ShardState
from retention.model.errors import NotFoundError
from retention.model.findings import Finding, FindingKind
from retention.services import commit
from retention.services.access import WHAT_WOULD_HELP
from retention.services.audit.doubt import Doubt
from retention.services.audit.earlier import look_for_earlier
from retention.services.audit.examine import Examination
from retention.services.audit.methods import check
from retention.services.audit.repair import Repair, Repaired, places
from retention.services.audit.results import checked
from retention.services.audit_record import AuditOutcome, Method
from retention.services.entries import audits as entries
from retention.services.move.budget import Budget, Limits
from retention.services.progress import Progress
from retention.services.sessions import Session
from retention.services.stores import Stores

BATCH_PACKAGES = 500
BATCH_BYTES = 4 << 30
"""After how much reading results are committed, if packages are large."""
MACHINE = "machine"
"""What a finding is about that says that this machine, and not the archive, is to be doubted."""
WINDOW = 4
"""Packages examined at once: small ones overlap, a large one has all threads on its shards."""


@dataclass(frozen=True, slots=True)
class LostPackage:
    """A package beyond recovery: what it holds, and what would help. Its text is the whole message."""

    package_id: str
    study_uid: str | None
    institution: str
    detail: str

    def __str__(self) -> str:
        what = "quarantined files" if self.study_uid is None else f"study {self.study_uid}"
        return f"{self.package_id} ({what} of {self.institution}): {self.detail}"


@dataclass(frozen=True, slots=True)
class Task:
    """A package to be checked, by which method; `only`: these of its shards now, the others at another time.

    `mark` says how far a walk over a tier has come once this is done (`entries.audits.Mark`).
    """

    package: PackageSummary
    method: Method = Method.FULL
    only: frozenset[int] | None = None
    mark: entries.Mark | None = None


@dataclass(slots=True)
class AuditReport:
    """`checked` counts packages, `damaged`, `repaired` and `unreachable` shards, `lost` packages; `bytes_read` as
    they lie on the volumes. `asleep` counts packages that lie on a tier that answers slowly: there, of the right
    length, and not read. `settled` counts shards of write debt that now have their place. `not_checked`: what the
    audit could not look at, and why. `left`: whether budget or time ended before everything was checked."""

    checked: int = 0
    asleep: int = 0
    bytes_read: int = 0
    damaged: int = 0
    repaired: int = 0
    lost: int = 0
    unreachable: int = 0
    settled: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    lost_packages: list[LostPackage] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    left: bool = False


class Audit:
    """One run over some packages. Without a session it only looks. `limits` is what it may read."""

    def __init__(
        self, stores: Stores, session: Session | None, mode: str, limits: Limits | None = None
    ) -> None:
        terms = stores.settings.audit
        self._stores = stores
        self._mode = mode
        self._repair = None if session is None else Repair(stores, session, stores.volumes.states())
        self._budget = Budget(limits or Limits(rate_mb_s=terms.rate_mb_s), stores.clock)
        self._repairing = Budget(Limits(rate_mb_s=terms.repair_rate_mb_s), stores.clock)
        self._doubt = Doubt(terms.stop_at)
        self._outcome = AuditOutcome()
        self._batch_bytes, self._batch_began_s = 0, stores.clock.monotonic_s()
        self._marks: dict[str, entries.Mark] = {}
        self._is_beside_checked = False
        self.misplaced: list[tuple[str, str]] = []
        self.report = AuditReport()

    def run(
        self,
        tasks: Iterable[Task],
        progress: Progress,
        total_bytes: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Audit packages until there are no more, the time is over or `stop` says so.

        Raises StorageError when the journal cannot be written, never for damage.
        """
        progress.begin("audit", total_bytes)
        try:
            for task, found in self._examined(self._in_time(tasks, stop)):
                if found is None:
                    continue
                self._settle(found)
                if task.mark is not None:
                    self._marks[task.mark.tier] = task.mark
                progress.advance(found.read_bytes)
                self._batch_bytes += found.read_bytes
                if len(self._outcome.checks) >= BATCH_PACKAGES or self._batch_bytes >= BATCH_BYTES:
                    self.commit()
                self._budget.spend(found.read_bytes)
        finally:
            progress.end()

    def _in_time(self, tasks: Iterable[Task], stop: Callable[[], bool]) -> Iterator[Task]:
        for task in tasks:
            if self._budget.is_late or stop():
                self.report.left = True
                return
            yield task

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Take in what was found beside packages: a volume's identity, journal and keyring, objects nobody knows."""
        for finding in findings:
            self.report.findings.append(finding)
            self._outcome.findings.append(finding)

    def commit(self) -> None:
        """Put what was found since the last time into the journal."""
        if self._outcome.is_empty and not self._is_beside_checked:
            return
        now_s = self._stores.clock.monotonic_s()
        entry = entries.run_entry(
            self._outcome,
            at=self._stores.clock.now(),
            actor=self._stores.actor,
            mode=self._mode,
            milliseconds=round((now_s - self._batch_began_s) * 1000),
            notes=entries.Notes(tuple(self._marks.values()), self._is_beside_checked),
        )
        commit.append(self._stores, [entry])
        self._outcome, self._batch_bytes, self._batch_began_s = AuditOutcome(), 0, now_s
        self._marks, self._is_beside_checked = {}, False

    def add_late(self, findings: Iterable[Finding]) -> None:
        """Take in what is late; the journal is told once a day."""
        today = self._stores.clock.now().date().isoformat()
        for finding in findings:
            self.report.findings.append(finding)
            if self._stores.catalog.state(entries.late_state(finding.subject or "")) != today:
                self._outcome.findings.append(finding)

    def note_beside(self) -> None:
        """Note that everything beside the packages was looked at in this run."""
        self._is_beside_checked = True

    def _examined(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Examination | None]]:
        """Examine packages in order, a few at once; one that another run changed meanwhile, once more."""
        volumes = self._stores.volumes
        with (
            ThreadPoolExecutor(os.cpu_count() or 1, "check") as checkers,
            ThreadPoolExecutor(WINDOW, "examine") as examiners,
        ):
            waiting = (
                (task, examiners.submit(check, volumes, task.package, checkers, task.method, task.only))
                for task in tasks
            )
            window = deque(islice(waiting, WINDOW))
            while window:
                task, examined = window.popleft()
                found = examined.result()
                window.extend(islice(waiting, 1))
                yield task, self._looked_at_again(found, checkers)

    def _looked_at_again(self, found: Examination, checkers: Executor) -> Examination | None:
        """Return what stands of an examination: damage is believed of a package as it is now, read whole."""
        if found.is_sound:
            return found
        try:
            package = self._stores.catalog.package(found.package.package_id)
        except NotFoundError:
            return None  # destroyed meanwhile
        if package.is_superseded:
            return None  # moved meanwhile: what superseded it is audited for itself
        is_lesser = found.is_partial or found.method is not Method.FULL
        if places(package.shards) != places(found.package.shards) or (is_lesser and found.findings):
            return check(self._stores.volumes, package, checkers)
        return found

    def _settle(self, found: Examination) -> None:
        """Repair what can be, and put the package's results into the report and the journal's batch."""
        package = found.package.package_id
        look_for_earlier(self._stores.volumes, found)
        if found.archived and not found.sound:
            self.report.asleep += 1
        else:
            self.report.checked += 1
        self.report.bytes_read += found.read_bytes
        self.report.damaged += len(found.findings)
        self.report.unreachable += len(found.unreachable)
        self._doubt.note(found)
        repaired = self._repaired(found)
        for number in repaired.made:
            if number in found.findings:
                found.findings[number].repaired = True
                self.report.repaired += 1
            else:
                self.report.settled += 1
        if repaired.why_not:
            for finding in found.findings.values():
                finding.detail += "" if finding.repaired else f"; not repaired: {repaired.why_not}"
        self.misplaced += repaired.misplaced
        self.add_findings(found.findings.values())
        self._outcome.checks += checked(found)
        flawed = [_flawed(found, number) for number in found.findings if number not in repaired.made]
        if flawed:
            self._outcome.flawed[package] = flawed

    def _repaired(self, found: Examination) -> Repaired:
        if not found.findings and not found.unplaced:
            return Repaired()
        if self._repair is not None and (doubt := self._doubt.why()) is not None:
            self._note_doubt(doubt)
            return Repaired(why_not=doubt)
        is_readable = found.reference is not None and len(found.sources) >= found.package.protection.data
        if not is_readable:
            # Without a finding nothing is damaged: a shard is owed, and this method read too little to make it.
            repaired = Repaired(is_lost=bool(found.findings))
        elif self._repair is not None:
            repaired = self._repair.repair(found)
            self._repairing.spend(sum(found.package.shards[number].size_bytes for number in repaired.made))
        else:
            repaired = Repaired()
        if repaired.is_lost and not (found.unreachable or found.archived or found.refused):
            self._note_lost(found, repaired.why_not)
        return repaired

    def _note_doubt(self, doubt: str) -> None:
        if all(finding.subject != MACHINE for finding in self.report.findings):
            self.add_findings([Finding(FindingKind.CORRUPT, "", subject=MACHINE, detail=doubt)])

    def _note_lost(self, found: Examination, why: str) -> None:
        """A package is lost when nothing that is merely away, or that a newer program reads, could bring it back."""
        package = found.package
        self._outcome.lost.append(package.package_id)
        self.report.lost += 1
        self.report.lost_packages.append(
            LostPackage(
                package.package_id, package.study_uid, package.institution, _what_is_missing(found, why)
            )
        )


def _flawed(found: Examination, number: int) -> ShardRecord:
    shard, kind = found.package.shards[number], found.findings[number].kind
    state = ShardState.MISSING if kind is FindingKind.MISSING else ShardState.CORRUPT
    return ShardRecord(number, shard.volume, shard.size_bytes, shard.generation, state)


def _what_is_missing(found: Examination, why: str) -> str:
    protection = found.package.protection
    bad = "; ".join(
        f"shard {number} on {finding.volume}: {finding.kind.value}"
        for number, finding in sorted(found.findings.items())
    )
    counted = (
        f"{len(found.sound)} of {protection.shards} shards are whole, {protection.data} are needed ({bad})"
    )
    return "; ".join(filter(None, (why, counted, WHAT_WOULD_HELP)))
