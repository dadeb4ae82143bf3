"""The gate: the one door through which shards leave a volume (design §2.7).

No other module removes objects under `packages/`; a test looks for it. Whoever calls says why, and the gate sees for
itself, in the catalog, that this is so: what a package in force needs never passes, whatever the caller believes. If
one of several objects must stay, all of them do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from retention.catalog.catalog import Catalog
from retention.catalog.records import PackageSummary, ShardState
from retention.model.errors import KeptError, NotFoundError
from retention.model.identifiers import PackageId
from retention.services.volumes import parse_shard_key
from retention.storage.volume import Volume

STAGING = "staging/"


class Why(StrEnum):
    """Why an object may go."""

    UNFINISHED = "unfinished"
    """A run published it and ended before anything was committed that names it."""
    REPLACED = "replaced"
    """A repair made this shard again elsewhere or in a newer generation, and that counts."""
    MISPLACED = "misplaced"
    """It lies under a name that no package in the catalog has a shard under."""
    MOVED = "moved"
    """Its package was superseded, the grace is over, and what supersedes it can be read."""
    EXPIRED = "expired"
    """It is of a recalled copy whose time is over, and what was copied is still held."""
    DESTROYED = "destroyed"
    """Its study was destroyed by an approved disposal: there is a tombstone."""


def remove(
    catalog: Catalog, volume: Volume, keys: Sequence[str], why: Why, at: datetime | None = None
) -> int:
    """Remove shards from a volume, durably; return how many were there. `at`: what time it is, where that matters.

    Raises KeptError when the reason does not hold for one of them, StorageError when the volume cannot do it.
    """
    for key in keys:
        problem = _problem(catalog, volume.name, key, why, at)
        if problem is not None:
            raise KeptError(
                f"{key} on {volume.name} is not to be removed as {why}: {problem}",
                hint="nothing was removed; retention catalog check",
                volume=volume.name,
                key=key,
            )
    return volume.delete_many(keys)


def take_back(volume: Volume, key: str) -> int:
    """Remove a shard that the calling run itself has just published and not committed.

    Putting is once only, so an object under this name is the run's own, and nobody else knows of it.
    """
    return volume.delete_many([key])


def clear_staging(volume: Volume, keys: Sequence[str], *, still_staged: int) -> int:
    """Remove a staging log and what was noted of it, once all it holds is packed (docs/staging.md).

    Raises KeptError while an instance is staged in it or for what lies elsewhere, StorageError.
    """
    if still_staged or not all(key.startswith(STAGING) for key in keys):
        raise KeptError(
            f"{', '.join(keys)} on {volume.name} is not to be cleared: {still_staged} instances are staged in it",
            hint="nothing was removed; retention serve packs what is staged",
            volume=volume.name,
        )
    return volume.delete_many(keys)


def sweep(catalog: Catalog, volume: Volume) -> int:
    """Remove for good what is hidden on a volume and nothing needs there; return how many objects a lock still keeps.

    Whoever has the keys of a bucket can hide an object, too: if a package has it there, it stays for an audit to find
    (`audit.earlier`). The catalog must have applied the whole journal. Raises StorageError.
    """

    def may_go(key: str) -> bool:
        return any(
            _problem(catalog, volume.name, key, why, None) is None for why in (Why.UNFINISHED, Why.DESTROYED)
        )

    return volume.sweep(may_go)


def _problem(catalog: Catalog, volume: str, key: str, why: Why, at: datetime | None) -> str | None:
    """Return why an object must stay, None if it may go."""
    named = parse_shard_key(key)
    if named is None:
        return "this is no name of a shard"
    package_id, number, generation = named
    if why is Why.DESTROYED:
        is_buried = catalog.disposals.is_buried(PackageId(package_id))
        return None if is_buried else "no disposal has destroyed its study"
    try:
        package = catalog.package(PackageId(package_id))
    except NotFoundError:
        return None if why in (Why.UNFINISHED, Why.MISPLACED) else "its package is not known"
    if why in (Why.UNFINISHED, Why.REPLACED, Why.MISPLACED):
        is_needed = (number, generation, volume) in (
            (shard.number, shard.generation, shard.volume) for shard in package.shards
        )
        return "its package has it there" if is_needed else None
    return problem_with(catalog, package, why, at)


def problem_with(catalog: Catalog, package: PackageSummary, why: Why, at: datetime | None) -> str | None:
    """Return why a package whose time should have come must stay; None if all of it may go."""
    if package.drop_at is None or at is None or package.drop_at > at:
        return "its time has not come"
    return _AGES[why](catalog, package)


def _moved(catalog: Catalog, package: PackageSummary) -> str | None:
    if not package.is_superseded:
        return "its package is in force"
    return _unreadable(catalog.successor_of(package.package_id))


def _expired(catalog: Catalog, package: PackageSummary) -> str | None:
    if package.copy_of is None:
        return "its package is no copy"
    return _unreadable(catalog.successor_of(package.copy_of))


_AGES: Mapping[Why, Callable[[Catalog, PackageSummary], str | None]] = {
    Why.MOVED: _moved,
    Why.EXPIRED: _expired,
}


def _unreadable(package: PackageSummary) -> str | None:
    """Return what keeps the form that stays from being read, as far as the catalog knows."""
    sound = sum(shard.state is ShardState.SOUND for shard in package.shards)
    if package.lost or sound < package.protection.data:
        return f"package {package.package_id}, which is to stay, has {sound} sound shards"
    return None
