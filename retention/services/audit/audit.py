"""The fixity audit: every chosen package read back and verified, damage found, repaired and recorded.

Oldest readings first; one bad package never stops the round. Results are committed in batches as the audit goes, so an
interrupted one loses no more than a batch of results, and nothing else.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from retention.catalog.records import PackageSummary, ShardRecord, ShardState
from retention.journal.envelope import NewEntry
from retention.model.findings import Finding, FindingKind
from retention.services import audit_record, commit, events
from retention.services.access import WHAT_WOULD_HELP
from retention.services.audit.examine import Examination, examine
from retention.services.audit.repair import Repair, Repaired, places
from retention.services.audit_record import AuditOutcome
from retention.services.progress import Progress
from retention.services.sessions import Session
from retention.services.stores import Stores

BATCH_PACKAGES = 500
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


@dataclass(slots=True)
class AuditReport:
    """`checked` counts packages, `damaged`, `repaired` and `unreachable` shards, `lost` packages; `bytes_read` as
    they lie on the volumes. `asleep` counts packages that lie on a tier that answers slowly: there, of the right
    length, and not read. `settled` counts shards of write debt that now have their place. `not_checked`: what the
    audit could not look at, and why."""

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


class Audit:
    """One run over some packages. Without a session it only looks."""

    def __init__(self, stores: Stores, session: Session | None, mode: str) -> None:
        self._stores = stores
        self._mode = mode
        self._repair = None if session is None else Repair(stores, session, stores.volumes.states())
        self._outcome = AuditOutcome()
        self._packages_in_batch = 0
        self.misplaced: list[tuple[str, str]] = []
        self.report = AuditReport()

    def run(
        self, packages: Iterable[PackageSummary], progress: Progress, total_bytes: int | None = None
    ) -> None:
        """Audit the packages. Raises StorageError when the journal cannot be written, never for damage."""
        progress.begin("audit", total_bytes)
        try:
            for found in self._examined(packages):
                self._settle(found)
                progress.advance(found.read_bytes)
                if self._packages_in_batch >= BATCH_PACKAGES:
                    self.commit()
        finally:
            progress.end()

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Take in what was found beside packages: a volume's identity, journal and keyring, objects nobody knows."""
        for finding in findings:
            self.report.findings.append(finding)
            self._outcome.findings.append(finding)

    def commit(self) -> None:
        """Put what was found since the last time into the journal."""
        if self._outcome.is_empty and not self._packages_in_batch:
            return
        entry = NewEntry(
            at=self._stores.clock.now(),
            actor=self._stores.actor,
            action=events.AUDIT_RUN,
            data={
                "mode": self._mode,
                "packages": self._packages_in_batch,
                "findings": len(self._outcome.findings),
                "lost": len(self._outcome.lost),
            },
            payload=audit_record.encode(self._outcome),
        )
        commit.append(self._stores, [entry])
        self._outcome, self._packages_in_batch = AuditOutcome(), 0

    def _examined(self, packages: Iterable[PackageSummary]) -> Iterator[Examination]:
        """Examine packages in order, a few at once; one that another run changed meanwhile, once more."""
        volumes = self._stores.volumes
        with (
            ThreadPoolExecutor(os.cpu_count() or 1, "check") as checkers,
            ThreadPoolExecutor(WINDOW, "examine") as examiners,
        ):
            waiting = (examiners.submit(examine, volumes, package, checkers) for package in packages)
            window = deque(islice(waiting, WINDOW))
            while window:
                found = window.popleft().result()
                window.extend(islice(waiting, 1))
                if not found.is_sound:
                    package = self._stores.catalog.package(found.package.package_id)
                    if package.is_superseded:
                        continue  # moved meanwhile: what superseded it is audited for itself
                    if places(package.shards) != places(found.package.shards):
                        found = examine(volumes, package, checkers)
                yield found

    def _settle(self, found: Examination) -> None:
        """Repair what can be, and put the package's results into the report and the journal's batch."""
        package = found.package.package_id
        if found.archived and not found.sound:
            self.report.asleep += 1
        else:
            self.report.checked += 1
        self.report.bytes_read += found.read_bytes
        self.report.damaged += len(found.findings)
        self.report.unreachable += len(found.unreachable)
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
        if found.sound:
            self._outcome.sound[package] = found.sound
        flawed = [_flawed(found, number) for number in found.findings if number not in repaired.made]
        if flawed:
            self._outcome.flawed[package] = flawed
        self._packages_in_batch += 1

    def _repaired(self, found: Examination) -> Repaired:
        if not found.findings and not found.unplaced:
            return Repaired()
        is_readable = found.reference is not None and len(found.sources) >= found.package.protection.data
        if not is_readable:
            repaired = Repaired(is_lost=True)
        elif self._repair is not None:
            repaired = self._repair.repair(found)
        else:
            repaired = Repaired()
        if repaired.is_lost and not (found.unreachable or found.archived or found.refused):
            self._note_lost(found, repaired.why_not)
        return repaired

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
