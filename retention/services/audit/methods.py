"""Checks that read less than everything, each for what it is: no lesser method counts as a full reading.

What a lesser method finds wrong is no finding yet: a full reading follows, which says what is damaged and can repair.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Executor, Future

from blake3 import blake3

from retention.catalog.records import PackageSummary, ShardRecord
from retention.model.errors import (
    IntegrityError,
    NotReadyError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    PackageLostError,
    VolumeUnavailableError,
)
from retention.model.findings import FindingKind
from retention.package.check import ShardCheck, check_some, rebuild
from retention.package.reader import find_reference
from retention.package.shard import Reference
from retention.services.audit.chance import number_below, unforeseen
from retention.services.audit.examine import (
    Examination,
    examine,
    finding_of,
    judge,
    opened_shards,
    without_reference,
)
from retention.services.audit_record import Method
from retention.services.volumes import VolumeSet, shard_key
from retention.storage.challenge import NONCE_BYTES, challenge
from retention.storage.volume import ObjectReader

CELLS = 4
"""How many cells of each shard a sample of cells reads."""


def check(
    volumes: VolumeSet,
    package: PackageSummary,
    pool: Executor,
    method: Method = Method.FULL,
    only: Collection[int] | None = None,
) -> Examination:
    """Check a package by a method; `only` some of its shards, if it is a full reading.

    Never raises for damage; StorageError for what is nobody's damage.
    """
    if method is Method.CELLS:
        return check_cells(volumes, package, pool)
    if method is Method.METADATA:
        return check_presence(volumes, package)
    if method in (Method.NONCE, Method.OWN_NONCE):
        return check_nonces(volumes, package)
    return examine(volumes, package, pool, only)


def check_presence(volumes: VolumeSet, package: PackageSummary) -> Examination:
    """Ask of every shard whether it is there and how long it is; nothing is read, and nothing recalled."""
    found = Examination(package, Method.METADATA)
    for shard in package.shards:
        if shard.volume is None:
            found.unplaced.append(shard.number)
            continue
        try:
            size_bytes = volumes[shard.volume].stat(_key(package, shard)).size_bytes
        except ObjectNotFoundError:
            _note(found, shard, FindingKind.MISSING, "the object is not there")
        except VolumeUnavailableError:
            found.unreachable.append(shard.number)
        else:
            if size_bytes == shard.size_bytes:
                found.sound.append(shard.number)
                found.read[shard.number] = 0
            else:
                _note(found, shard, FindingKind.CORRUPT, f"{size_bytes} bytes in place of {shard.size_bytes}")
    return found


def check_cells(
    volumes: VolumeSet, package: PackageSummary, pool: Executor, cells: int = CELLS
) -> Examination:
    """Read the header, index, manifest and some cells of every shard, by ranges. Which cells, nobody can foresee."""
    found = Examination(package, Method.CELLS)
    with opened_shards(volumes, package, found) as opened:
        reference = found.reference = _reference(found, opened)
        if reference is None:
            return found
        checks: dict[int, Future[ShardCheck]] = {
            number: pool.submit(
                check_some, reader, reference, number, _some(reference.geometry.stripes, cells)
            )
            for number, reader in opened.items()
        }
        for number, done in checks.items():
            judge(found, number, done)
    return found


def check_nonces(volumes: VolumeSet, package: PackageSummary) -> Examination:
    """Challenge every shard, and compare its answer with one computed from the others: nothing that the volume itself
    says goes into what is expected of it."""
    found = Examination(package, Method.NONCE)
    with opened_shards(volumes, package, found) as opened:
        reference = found.reference = _reference(found, opened)
        if reference is None:
            return found
        for number in opened:
            others = {other: reader for other, reader in opened.items() if other != number}
            _challenge(volumes, found, reference, number, others)
    return found


class _Expected:
    """Takes the bytes that a shard must have, after the nonce."""

    def __init__(self, nonce: bytes) -> None:
        self._digest = blake3(nonce)

    def write(self, data: bytes | memoryview) -> None:
        self._digest.update(data)

    def digest(self) -> bytes:
        return self._digest.digest()


def _challenge(
    volumes: VolumeSet,
    found: Examination,
    reference: Reference,
    number: int,
    others: dict[int, ObjectReader],
) -> None:
    shard, nonce = found.package.shards[number], unforeseen(NONCE_BYTES)
    expected = _Expected(nonce)
    try:
        rebuild(reference, others, {number: (shard.generation, expected)})
        answer = challenge(volumes[shard.volume or ""], _key(found.package, shard), nonce)
    except (
        VolumeUnavailableError,
        NotReadyError,
        PackageLostError,
    ):  # without enough others nothing is known
        found.unreachable.append(number)
        return
    except (IntegrityError, ObjectNotFoundError, ObjectUnreadableError) as error:
        _note(found, shard, FindingKind.CORRUPT, error.message)
        return
    if not answer.by_the_place:
        found.method = Method.OWN_NONCE
    if answer.digest == expected.digest():
        found.sound.append(number)
        found.read[number] = answer.read_bytes
    else:
        _note(found, shard, FindingKind.CORRUPT, "it answers a challenge as if it were another object")


def _reference(found: Examination, opened: dict[int, ObjectReader]) -> Reference | None:
    if not opened:
        return None
    try:
        return find_reference(opened, found.package.index_root, found.package.manifest_digest)
    except PackageLostError as error:
        without_reference(found, opened, error)
        return None


def _some(stripes: int, count: int) -> list[int]:
    if stripes <= count:
        return list(range(stripes))
    return sorted({number_below(stripes) for _ in range(count)})


def _note(found: Examination, shard: ShardRecord, kind: FindingKind, detail: str) -> None:
    found.findings[shard.number] = finding_of(kind, found.package, shard, detail)


def _key(package: PackageSummary, shard: ShardRecord) -> str:
    return shard_key(package.package_id, shard.number, shard.generation)
