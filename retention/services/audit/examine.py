"""Examining one package: every shard read from the medium and compared with what the journal committed to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from retention.catalog.records import PackageSummary, ShardRecord
from retention.model.errors import (
    IntegrityError,
    NotReadyError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    PackageLostError,
    StorageError,
    UnsupportedFormatError,
    VolumeUnavailableError,
)
from retention.model.findings import Finding, FindingKind
from retention.package.check import ShardCheck, check_shard
from retention.package.reader import find_reference
from retention.package.records import ShardHeader
from retention.package.shard import Reference, read_header
from retention.services.audit_record import Method
from retention.services.volumes import VolumeSet, shard_key
from retention.storage.volume import ObjectReader


@dataclass(slots=True)
class Examination:
    """What was found of one package. `sound`, `unplaced` (write debt), `unreachable` and `archived` (there, of the
    right size, and not readable without a recall) are shard numbers; a finding stands for each other one.

    `reference` is None when no shard that could be reached tells what the package must be. `refused` are shards of a
    format this program does not know: findings, and never touched. `found_as` says which other shard lies in a
    misplaced one's place. `earlier` are damaged shards of which the volume still has a sound earlier version: which of
    them (`services.audit.earlier`). `read` says how many bytes of each shard were read, `is_partial` that some shards
    were left for another time.
    """

    package: PackageSummary
    method: Method = Method.FULL
    is_partial: bool = False
    reference: Reference | None = None
    sound: list[int] = field(default_factory=list)
    unplaced: list[int] = field(default_factory=list)
    unreachable: list[int] = field(default_factory=list)
    archived: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    findings: dict[int, Finding] = field(default_factory=dict)
    found_as: dict[int, ShardHeader] = field(default_factory=dict)
    earlier: dict[int, int] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)

    @property
    def read_bytes(self) -> int:
        return sum(self.read.values())

    @property
    def is_sound(self) -> bool:
        return not (self.findings or self.unplaced or self.unreachable)

    @property
    def repairable(self) -> list[int]:
        """Numbers of the shards that are to be made again, or for the first time."""
        return sorted({*self.findings, *self.unplaced} - set(self.refused))

    @property
    def sources(self) -> dict[int, int]:
        """The shards that may still have good cells: number, and the number of the place where it lies."""
        damaged = (FindingKind.CORRUPT, FindingKind.UNREADABLE)
        usable = {n for n, finding in self.findings.items() if finding.kind in damaged} - set(self.refused)
        own = {number: number for number in [*self.sound, *usable, *self.earlier]}
        swapped = {header.shard: at for at, header in self.found_as.items() if self._is_ours(header)}
        return dict(sorted((swapped | own).items()))

    def _is_ours(self, header: ShardHeader) -> bool:
        return self.reference is not None and header == self.reference.header.of(
            header.shard, header.generation
        )


@contextmanager
def opened_shards(
    volumes: VolumeSet, package: PackageSummary, found: Examination, only: Collection[int] | None = None
) -> Iterator[dict[int, ObjectReader]]:
    """Open the package's shards (those in `only`) from the medium; note in `found` which are missing or cannot be
    reached."""
    with ExitStack() as stack:
        opened: dict[int, ObjectReader] = {}
        for shard in package.shards:
            if only is not None and shard.number not in only:
                continue
            if shard.volume is None:
                found.unplaced.append(shard.number)
                continue
            key = shard_key(package.package_id, shard.number, shard.generation)
            try:
                reader = volumes[shard.volume].open(key, from_medium=True)
                opened[shard.number] = stack.enter_context(reader)
            except ObjectNotFoundError:
                found.findings[shard.number] = finding_of(
                    FindingKind.MISSING, package, shard, "the object is not there"
                )
            except NotReadyError:
                _look_at_archived(volumes, found, shard, key)
            except VolumeUnavailableError:
                found.unreachable.append(shard.number)
            except ObjectUnreadableError as error:
                found.findings[shard.number] = finding_of(
                    FindingKind.UNREADABLE, package, shard, error.message
                )
        yield opened


def _look_at_archived(volumes: VolumeSet, found: Examination, shard: ShardRecord, key: str) -> None:
    """All that is seen of an object without recalling it: that it is there, and how long it is."""
    try:
        size_bytes = volumes[shard.volume or ""].stat(key).size_bytes
    except (ObjectNotFoundError, VolumeUnavailableError):
        found.unreachable.append(shard.number)  # it changed while we looked: the next round knows
        return
    if size_bytes == shard.size_bytes:
        found.archived.append(shard.number)
    else:
        detail = f"{size_bytes} bytes in place of {shard.size_bytes}"
        found.findings[shard.number] = finding_of(FindingKind.CORRUPT, found.package, shard, detail)


def examine(
    volumes: VolumeSet, package: PackageSummary, pool: Executor, only: Collection[int] | None = None
) -> Examination:
    """Read and verify every shard of the package (those in `only`) that can be reached; shards in parallel.

    Never raises for damage; StorageError for what is nobody's damage (too many open files), which would otherwise be
    repaired.
    """
    found = Examination(package, is_partial=only is not None and len(only) < len(package.shards))
    with opened_shards(volumes, package, found, only) as opened:
        try:
            found.reference = find_reference(opened, package.index_root, package.manifest_digest)
        except PackageLostError as error:
            without_reference(found, opened, error)
            return found
        checks: dict[int, Future[ShardCheck]] = {
            number: pool.submit(check_shard, reader, found.reference, number)
            for number, reader in opened.items()
        }
        for number, check in checks.items():
            judge(found, number, check)
    return found


def without_reference(
    found: Examination, opened: Mapping[int, ObjectReader], error: PackageLostError
) -> None:
    """No shard says what the others must be; each is at least not what it should be."""
    for number, reader in opened.items():
        kind, detail = FindingKind.CORRUPT, error.message
        try:
            read_header(reader)
        except UnsupportedFormatError as unknown:
            kind, detail = FindingKind.UNREADABLE, unknown.message
            found.refused.append(number)
        except (IntegrityError, StorageError):
            pass
        found.findings[number] = finding_of(kind, found.package, found.package.shards[number], detail)


def judge(found: Examination, number: int, check: Future[ShardCheck]) -> None:
    """Put what a check of a shard found into the package's examination."""
    shard = found.package.shards[number]
    try:
        result = check.result()
    except VolumeUnavailableError:
        found.unreachable.append(number)
        return
    except ObjectUnreadableError as error:
        found.findings[number] = finding_of(FindingKind.UNREADABLE, found.package, shard, error.message)
        return
    except UnsupportedFormatError as error:
        found.refused.append(number)
        detail = f"{error.message}; it is left as it is"
        found.findings[number] = finding_of(FindingKind.UNREADABLE, found.package, shard, detail)
        return
    found.read[number] = result.read_bytes
    if result.is_sound:
        found.sound.append(number)
    elif result.misplaced is not None and result.header is not None:
        found.found_as[number] = result.header
        found.findings[number] = finding_of(FindingKind.MISPLACED, found.package, shard, result.misplaced)
    else:
        detail = ", ".join([*result.parts, *([f"{len(result.bad_cells)} cells"] if result.bad_cells else [])])
        finding = finding_of(FindingKind.CORRUPT, found.package, shard, detail)
        finding.cells = len(result.bad_cells)
        found.findings[number] = finding


def finding_of(kind: FindingKind, package: PackageSummary, shard: ShardRecord, detail: str) -> Finding:
    return Finding(kind, shard.volume or "", package.package_id, shard.number, detail=detail)
