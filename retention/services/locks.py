"""Locks that move along with time: what lies on volumes with Object Lock is locked anew before its lock ends.

The scheduled half of the rolling window (design §6). A package is locked for no longer than its study must be kept, and
one that is superseded or lost its study is not locked again. What could only be hidden, because it was still locked, is
removed when that is over. A legal hold on a study is one on its objects too: put there at once, taken off by the next
renewal. On an archive without such volumes it does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from retention.catalog.records import PackageSummary, StudyFilter
from retention.model.errors import NotFoundError, StorageError
from retention.model.states import StudyState
from retention.services.stores import Stores
from retention.services.volumes import shard_key
from retention.storage.volume import Volume


@dataclass(slots=True)
class Locks:
    """`locked` counts objects that are locked now, `hidden` removed ones that a lock still keeps; `problems` those that
    could not be seen to: (volume, what is wrong)."""

    locked: int = 0
    hidden: int = 0
    problems: list[tuple[str, StorageError]] = field(default_factory=list)


def renew_locks(stores: Stores) -> Locks:
    """Renew the locks of all packages in force that lie on volumes that lock, and sweep these volumes."""
    done = Locks()
    locking = _locking(stores)
    if not locking:
        return done
    for volume, key, package in _objects(locking, stores.catalog.all_packages()):
        try:
            until_at = volume.lock(key, keep_until=keep_until(stores, package))
            done.locked += until_at is not None
            volume.hold(key, on=_is_held(stores, package))
        except StorageError as error:
            done.problems.append((volume.name, error))
    for volume in locking.values():
        try:
            done.hidden += volume.sweep()
        except StorageError as error:
            done.problems.append((volume.name, error))
    return done


def mirror_holds(stores: Stores) -> Locks:
    """Put a legal hold on every object of every study on hold; `locked` counts them. None is taken off here."""
    done = Locks()
    locking = _locking(stores)
    if not locking:
        return done
    for study in list(stores.catalog.studies(StudyFilter(state=StudyState.HELD))):
        packages = stores.catalog.packages_of(study.study_uid, study.institution)
        for volume, key, _ in _objects(locking, packages):
            try:
                done.locked += volume.hold(key, on=True)
            except StorageError as error:
                done.problems.append((volume.name, error))
    return done


def keep_until(stores: Stores, package: PackageSummary) -> datetime | None:
    """Return until when a package must be kept, as far as is known; None when nothing ends it.

    From the beginning of that day on it may have to go: nothing may lock it then.
    """
    if package.study_uid is None:
        return None
    try:
        ends_on = stores.catalog.study(package.study_uid, package.institution).summary.keep_until_on
    except NotFoundError:
        return None
    return None if ends_on is None else datetime.combine(ends_on, time.min, UTC)


def _locking(stores: Stores) -> dict[str, Volume]:
    return {volume.name: volume for volume in stores.volumes if volume.spec.s3.object_lock is not None}


def _is_held(stores: Stores, package: PackageSummary) -> bool:
    if package.study_uid is None:
        return False
    try:
        return stores.catalog.study(package.study_uid, package.institution).summary.holds > 0
    except NotFoundError:
        return False


def _objects(
    locking: dict[str, Volume], packages: Iterable[PackageSummary]
) -> Iterator[tuple[Volume, str, PackageSummary]]:
    for package in packages:
        if package.is_superseded:
            continue
        for shard in package.shards:
            if shard.volume in locking:
                key = shard_key(package.package_id, shard.number, shard.generation)
                yield locking[shard.volume], key, package
