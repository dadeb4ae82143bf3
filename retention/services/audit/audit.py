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
from retention.model.errors import IntegrityError, PackageLostError, StorageError
from retention.model.findings import Finding, FindingKind
from retention.model.identifiers import PackageId
from retention.services import audit_record, commit, events
from retention.services.audit.examine import Examination, examine
from retention.services.audit.repair import Repair
from retention.services.audit_record import AuditOutcome
from retention.services.progress import Progress
from retention.services.sessions import Session
from retention.services.stores import Stores

BATCH_PACKAGES = 500
WINDOW = 4
"""Packages examined at once: small ones overlap, a large one has all threads on its shards."""


@dataclass(slots=True)
class AuditReport:
    """`checked` counts packages, `damaged`, `repaired` and `unreachable` shards, `lost` packages; `bytes_read` as
    they lie on the volumes. `settled` counts shards of write debt that now have their place."""

    checked: int = 0
    bytes_read: int = 0
    damaged: int = 0
    repaired: int = 0
    lost: int = 0
    unreachable: int = 0
    settled: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    lost_packages: list[str] = field(default_factory=list)


class Audit:
    """One run over some packages. `repair` false only looks."""

    def __init__(self, stores: Stores, progress: Progress, *, repair: bool, mode: str) -> None:
        self._stores = stores
        self._progress = progress
        self._mode = mode
        self._session = Session(stores.root) if repair else None
        self._repair = Repair(stores, self._session, stores.volumes.states()) if self._session else None
        self._outcome = AuditOutcome()
        self._packages_in_batch = 0
        self.report = AuditReport()

    def run(self, packages: Iterable[PackageSummary], total_bytes: int | None) -> AuditReport:
        """Audit the packages. Raises StorageError when the journal cannot be written, never for damage."""
        started_s = self._stores.clock.monotonic_s()
        self._progress.begin("audit", total_bytes)
        try:
            for found in self._examined(packages):
                self._settle(found)
                self._progress.advance(found.read_bytes)
                if self._packages_in_batch >= BATCH_PACKAGES:
                    self._commit()
            self._commit()
        finally:
            self._progress.end()
            if self._session is not None:
                self._session.close()
        self.report.seconds = self._stores.clock.monotonic_s() - started_s
        return self.report

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Take in what was found beside packages: a volume's identity, journal and keyring, objects nobody knows."""
        for finding in findings:
            self.report.findings.append(finding)
            self._outcome.findings.append(finding)

    def _examined(self, packages: Iterable[PackageSummary]) -> Iterator[Examination]:
        """Examine packages in order, a few at once."""
        volumes = self._stores.volumes
        with (
            ThreadPoolExecutor(os.cpu_count() or 1, "check") as checkers,
            ThreadPoolExecutor(WINDOW, "examine") as examiners,
        ):
            waiting = (examiners.submit(examine, volumes, package, checkers) for package in packages)
            window = deque(islice(waiting, WINDOW))
            while window:
                yield window.popleft().result()
                window.extend(islice(waiting, 1))

    def _settle(self, found: Examination) -> None:
        """Repair what can be, and put the package's results into the report and the journal's batch."""
        package = found.package.package_id
        self.report.checked += 1
        self.report.bytes_read += found.read_bytes
        self.report.damaged += len(found.findings)
        self.report.unreachable += len(found.unreachable)
        made = self._repaired(found)
        for number in made:
            if number in found.findings:
                found.findings[number].repaired = True
                self.report.repaired += 1
            else:
                self.report.settled += 1
        self.add_findings(found.findings.values())
        if found.sound:
            self._outcome.sound[package] = found.sound
        flawed = [_flawed(found, number) for number in found.findings if number not in made]
        if flawed:
            self._outcome.flawed[package] = flawed
        self._packages_in_batch += 1

    def _repaired(self, found: Examination) -> list[int]:
        if not found.findings and not found.unplaced:
            return []
        package = found.package.package_id
        protection = found.package.protection
        left = len(found.readers)
        if found.reference is None or left < protection.data:
            self._note_if_lost(found, package)
            return []
        if self._repair is None:
            return []
        try:
            return self._repair.repair(found)
        except PackageLostError as error:
            self._note_if_lost(found, package, error.message)
        except (StorageError, IntegrityError) as error:
            for finding in found.findings.values():
                finding.detail += f"; not repaired: {error.message}"
        return []

    def _note_if_lost(self, found: Examination, package: PackageId, why: str = "") -> None:
        """A package is lost when nothing that is merely away could bring it back."""
        if found.unreachable:
            return
        self.report.lost += 1
        self.report.lost_packages.append(package)
        self._outcome.lost.append(package)
        if why:
            for finding in found.findings.values():
                finding.detail += f"; {why}"

    def _commit(self) -> None:
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


def _flawed(found: Examination, number: int) -> ShardRecord:
    shard, kind = found.package.shards[number], found.findings[number].kind
    state = ShardState.MISSING if kind is FindingKind.MISSING else ShardState.CORRUPT
    return ShardRecord(number, shard.volume, shard.size_bytes, shard.generation, state)
