"""Earlier versions of damaged objects: what a volume that keeps versions still has under a name that was written over.

Whoever overwrites or removes an object of a bucket with versions, by mistake or in bad faith, leaves the former version
there, and a lock keeps it. An audit looks for it, checks it as any shard, and repair makes the shard again from it,
beside: the version itself is not brought back to the front, since nothing is repaired in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice

from retention.model.errors import IntegrityError, StorageError
from retention.model.findings import FindingKind
from retention.package.check import check_shard
from retention.package.reader import find_reference
from retention.services.audit.examine import Examination
from retention.services.volumes import VolumeSet, shard_key
from retention.storage.volume import ObjectReader

DAMAGED = (FindingKind.MISSING, FindingKind.CORRUPT, FindingKind.UNREADABLE)
WHOLE = "; an earlier version of it is whole"
NOT_WHOLE = "; its earlier versions are not whole either"
ARCHIVED = "; an earlier version of it is archived: have the service restore that version, then audit again"


def look_for_earlier(volumes: VolumeSet, found: Examination) -> None:
    """Note which damaged shards have a sound earlier version; one also tells what the package must be, if none did."""
    for number, finding in found.findings.items():
        if finding.kind in DAMAGED and number not in found.refused:
            with suppress(StorageError):  # what it says now is not about the shard
                _look(volumes, found, number)


def _look(volumes: VolumeSet, found: Examination, number: int) -> None:
    archived = []
    for nth, reader in enumerate(_versions(volumes, found, number)):
        archived.append(reader is None)
        if reader is not None and _is_whole(found, number, reader):
            found.earlier[number] = nth
            found.findings[number].detail += WHOLE
            return
    if any(archived):
        found.archived.append(number)  # nobody may say yet that it is lost
    if archived:
        found.findings[number].detail += ARCHIVED if any(archived) else NOT_WHOLE


def _is_whole(found: Examination, number: int, reader: ObjectReader) -> bool:
    package = found.package
    with reader, suppress(IntegrityError, StorageError):
        if found.reference is None:
            found.reference = find_reference({number: reader}, package.index_root, package.manifest_digest)
        return check_shard(reader, found.reference, number).is_sound
    return False


@contextmanager
def opened_earlier(volumes: VolumeSet, found: Examination) -> Iterator[Mapping[int, ObjectReader]]:
    """Open the earlier versions that were found whole, by number of shard."""
    with ExitStack() as stack:
        opened: dict[int, ObjectReader] = {}
        for number, nth in found.earlier.items():
            reader = next(islice(_versions(volumes, found, number), nth, None), None)
            if reader is not None:
                opened[number] = stack.enter_context(reader)
        yield opened


def _versions(volumes: VolumeSet, found: Examination, number: int) -> Iterator[ObjectReader | None]:
    shard = found.package.shards[number]
    key = shard_key(found.package.package_id, number, shard.generation)
    return volumes[shard.volume or ""].earlier(key)
