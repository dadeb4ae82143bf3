"""What lies on volumes and no package accounts for: found, named, and never removed because of it.

Volumes and catalog are compared as two sorted streams, so that a million packages cost one pass. What a run that is
still alive is about to publish or drop is its business and no finding.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby, islice

from retention.catalog.records import PackageSummary, PlacedShard
from retention.model.errors import IntegrityError, NotFoundError, ObjectNotFoundError, StorageError
from retention.model.findings import Finding, FindingKind
from retention.model.identifiers import PackageId
from retention.package.records import ShardHeader
from retention.package.shard import read_header
from retention.services import gate, sessions
from retention.services.audit.examine import examine
from retention.services.stores import Stores
from retention.services.volumes import parse_shard_key, shard_key

PREFIX = "packages/"
_HELD, _LEAVING, _LISTED = range(3)
"""Where a name is from: the catalog, which holds to it or lets it go, or a volume."""
ASKED_TOGETHER = 500


class Difference(Enum):
    MISSING = auto()
    EXTRA = auto()
    SIZE = auto()


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One name on one volume, where catalog and volume do not agree; `size_bytes` is what lies there."""

    what: Difference
    volume: str
    key: str
    size_bytes: int = 0


def compare(stores: Stores) -> Iterator[Discrepancy]:
    """Compare the names and sizes that all volumes list with those the catalog knows, in order of name.

    A volume that does not answer is left out.
    """
    silent: set[str] = set()
    listed = heapq.merge(*(_listed(stores, volume.name, silent) for volume in stores.volumes))
    known = map(_named, stores.catalog.placed_shards())
    merged = heapq.merge(known, ((key, volume, _LISTED, size) for key, volume, size in listed))
    for (key, volume), found in groupby(merged, key=lambda each: each[:2]):
        sizes = {source: size for _, _, source, size in found}
        if _LISTED not in sizes:
            if _HELD in sizes and volume not in silent and volume in stores.volumes:
                yield Discrepancy(Difference.MISSING, volume, key)
        elif len(sizes) == 1:
            yield Discrepancy(Difference.EXTRA, volume, key, sizes[_LISTED])
        elif len(set(sizes.values())) > 1:
            yield Discrepancy(Difference.SIZE, volume, key, sizes[_LISTED])


def lasting(stores: Stores, found: Iterable[Discrepancy]) -> Iterator[Discrepancy]:
    """Yield the discrepancies that are still there, and not the doing of a run that is alive.

    The lists of runs are read before volume and catalog are asked again: what a run does meanwhile is in the one or in
    the others.
    """
    waiting = iter(found)
    while some := list(islice(waiting, ASKED_TOGETHER)):
        under_way = sessions.under_way(stores.root).objects
        yield from (
            each for each in some if (each.volume, each.key) not in under_way and _lasts(stores, each)
        )


def check_extra(stores: Stores) -> Iterator[Finding]:
    """Find objects under `packages/` that no package in the catalog accounts for."""
    for found in lasting(stores, (each for each in compare(stores) if each.what is Difference.EXTRA)):
        yield _finding(stores, found.volume, found.key)


def drop_redundant(stores: Stores, misplaced: Iterable[tuple[str, str]]) -> None:
    """Drop misplaced shards whose own packages are sound without them; the others stay, and are found as extra."""
    with ThreadPoolExecutor(1, "check") as pool:
        for volume, key in misplaced:
            header = _header(stores, volume, key)
            package = None if header is None else _package(stores, header)
            if package is None or _is_known(stores, volume, key):
                continue
            if examine(stores.volumes, package, pool).is_sound:
                with suppress(StorageError):  # then it is found as extra from now on
                    gate.remove(stores.catalog, stores.volumes[volume], [key], gate.Why.MISPLACED)


def _lasts(stores: Stores, found: Discrepancy) -> bool:
    try:
        size_bytes = stores.volumes[found.volume].stat(found.key).size_bytes
    except ObjectNotFoundError:
        return found.what is Difference.MISSING and _is_known(stores, found.volume, found.key)
    except StorageError:
        return False
    is_known = _is_known(stores, found.volume, found.key)
    if found.what is Difference.SIZE:
        return is_known and size_bytes == found.size_bytes
    return found.what is Difference.EXTRA and not is_known


def _listed(stores: Stores, volume: str, silent: set[str]) -> Iterator[tuple[str, str, int]]:
    try:
        for stat in stores.volumes[volume].list(PREFIX):
            yield stat.key, volume, stat.size_bytes
    except StorageError:
        silent.add(volume)  # a finding already


def _named(shard: PlacedShard) -> tuple[str, str, int, int]:
    key = shard_key(shard.package_id, shard.number, shard.generation)
    return key, shard.volume, _LEAVING if shard.is_leaving else _HELD, shard.size_bytes


def _finding(stores: Stores, volume: str, key: str) -> Finding:
    header = _header(stores, volume, key)
    if header is None:
        return Finding(FindingKind.EXTRA, volume, subject=key, detail="it is not a shard that can be read")
    detail = f"it says it is shard {header.shard} of package {header.package}"
    if _package(stores, header) is not None:
        return Finding(FindingKind.MISPLACED, volume, subject=key, detail=detail)
    detail += f" of institution {header.institution} of archive {header.archive}, which is not held here"
    return Finding(FindingKind.EXTRA, volume, subject=key, detail=detail)


def _header(stores: Stores, volume: str, key: str) -> ShardHeader | None:
    try:
        with stores.volumes[volume].open(key) as reader:
            return read_header(reader)
    except (IntegrityError, StorageError):
        return None


def _package(stores: Stores, header: ShardHeader) -> PackageSummary | None:
    """Return the package of this archive that a header names."""
    try:
        package = stores.catalog.package(header.package)
    except NotFoundError:
        return None
    is_ours = (header.archive, header.institution) == (stores.archive_id, package.institution_id)
    return package if is_ours else None


def _is_known(stores: Stores, volume: str, key: str) -> bool:
    named = parse_shard_key(key)
    if named is None:
        return False
    package, number, generation = named
    try:
        shards = stores.catalog.shards_of(PackageId(package))
    except NotFoundError:
        return False
    return any((s.number, s.generation, s.volume) == (number, generation, volume) for s in shards)
