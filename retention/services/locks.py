"""Locks that move along with time: what lies on volumes with Object Lock is locked anew before its lock ends.

A package is locked as soon as it counts and its study was decided, never before: what is taken back again is never
locked. It is locked for no longer than its study must be kept, and one that is superseded or lost its study, or a
recalled copy, is not locked again. Whoever made it may have died in between: the scheduled half of the rolling window
(design §6) locks what is not locked yet. What could only be hidden, because it was still locked, is
removed when that is over. A legal hold on a study is one on its objects too: put there at once, taken off by the next
renewal. On an archive without such volumes it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from itertools import takewhile

from retention.catalog.records import PackageSummary, StudyFilter
from retention.model.errors import LockedError, NotFoundError, StorageError
from retention.model.identifiers import PackageId
from retention.model.states import StudyState
from retention.services import decisions, gate
from retention.services.stores import Stores
from retention.services.volumes import shard_key
from retention.storage.volume import Volume


@dataclass(slots=True)
class Locks:
    """`locked` counts objects that are locked now, `hidden` removed ones that a lock still keeps; `problems` those that
    could not be seen to: (volume, what is wrong). `is_left`: it was told to stop before the end."""

    locked: int = 0
    hidden: int = 0
    is_left: bool = False
    problems: list[tuple[str, StorageError]] = field(default_factory=list)


def lock_new(stores: Stores, packages: Sequence[PackageId]) -> list[StorageError]:
    """Lock packages that count since a moment ago, where they lie on volumes that lock; return what went wrong.

    Their studies are decided first: nothing is locked beyond the day until which it must be kept.
    """
    locking = _locking(stores)
    if not locking or not packages:
        return []
    try:
        decisions.refresh(stores)
    except LockedError:
        return []  # undecided, it must not be locked: the next renewal does it
    done = Locks()
    _see_to(stores, locking, map(stores.catalog.package, packages), done)
    return [error for _, error in done.problems]


def renew_locks(stores: Stores, *, stop: Callable[[], bool] = lambda: False) -> Locks:
    """Renew the locks of all packages in force that lie on volumes that lock, and sweep these volumes.

    Told to stop it stops: the next time begins anew, and finds what was renewed quickly done.
    """
    done = Locks()
    locking = _locking(stores)
    if not locking:
        return done
    decisions.refresh(stores)
    _see_to(stores, locking, takewhile(lambda _: not stop(), stores.catalog.all_packages()), done)
    done.is_left = stop()
    if done.is_left:
        return done
    for volume in locking.values():
        try:
            done.hidden += gate.sweep(stores.catalog, volume)
        except StorageError as error:
            done.problems.append((volume.name, error))
    return done


def _see_to(
    stores: Stores, locking: dict[str, Volume], packages: Iterable[PackageSummary], done: Locks
) -> None:
    """Lock these packages' objects, and put legal holds on them or take them off."""
    for volume, key, package in _objects(locking, packages):
        try:
            until_at = volume.lock(key, keep_until=keep_until(stores, package))
            done.locked += until_at is not None
            volume.hold(key, on=_is_held(stores, package))
        except StorageError as error:
            done.problems.append((volume.name, error))


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
        if package.is_superseded or package.copy_of is not None:
            continue
        for shard in package.shards:
            if shard.volume in locking:
                key = shard_key(package.package_id, shard.number, shard.generation)
                yield locking[shard.volume], key, package
