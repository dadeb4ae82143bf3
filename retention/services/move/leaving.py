"""What leaves: older forms of moved packages after their grace, recalled copies after their time.

The entry that made the new form, or the copy, has said when. So when that time has come the key is destroyed first:
what a medium may keep is unreadable from then on. Then the shards are removed through the gate, and the journal says
that nothing is left. Whatever stops this half way, it is done again; what a medium will not give up yet stays noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from retention.catalog.records import PackageSummary
from retention.journal.envelope import NewEntry
from retention.model.errors import KeptError, NotFoundError, StorageError
from retention.services import commit, events, gate
from retention.services.stores import Stores
from retention.services.volumes import shard_key

BATCH = 200


@dataclass(slots=True)
class Left:
    """Packages whose older form or copy is gone; and why others could not go yet."""

    packages: list[PackageSummary] = field(default_factory=list)
    kept: list[tuple[PackageSummary, KeptError | StorageError]] = field(default_factory=list)


def drop_due(stores: Stores) -> Left:
    """Drop everything whose time has come. Raises what a commit raises, and VolumeUnavailableError when the keyring
    cannot be written."""
    left = Left()
    waiting = iter(stores.catalog.leaving_packages(stores.clock.now()))
    while batch := list(islice(waiting, BATCH)):
        _drop(stores, batch, left)
    return left


def _drop(stores: Stores, batch: Sequence[PackageSummary], left: Left) -> None:
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        due = _due(stores, batch, left)
        if not due:
            return
        # What a package held that was lost and came in again is told by nothing but its own manifest: its key stays.
        told_again = [p for p in due if p.copy_of is not None or stores.catalog.is_moved(p.package_id)]
        segments = {p.key_id: p.key_segment for p in told_again if p.key_segment is not None}
        stores.keyring.forget([package.key_id for package in told_again], segments)
    gone = _removed(stores, due, left)
    if gone:
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            commit.append_locked(stores, _entries(stores, gone))
    left.packages += gone


def _due(stores: Stores, batch: Iterable[PackageSummary], left: Left) -> list[PackageSummary]:
    """Return which of these may go as they are now: a copy that somebody has asked for meanwhile stays."""
    due = []
    for listed in batch:
        try:
            package = stores.catalog.package(listed.package_id)
        except NotFoundError:
            continue  # its study was destroyed meanwhile
        if package.drop_at is None:
            continue  # another run was quicker
        problem = gate.problem_with(stores.catalog, package, why_of(package), stores.clock.now())
        if problem is None:
            due.append(package)
        else:
            left.kept.append((package, KeptError(f"package {package.package_id} stays: {problem}")))
    return due


def why_of(package: PackageSummary) -> gate.Why:
    return gate.Why.MOVED if package.copy_of is None else gate.Why.EXPIRED


def _removed(stores: Stores, due: Iterable[PackageSummary], left: Left) -> list[PackageSummary]:
    """Remove the shards, each volume's together; return the packages of which nothing lies anywhere any more."""
    by_volume: dict[str, dict[gate.Why, list[tuple[PackageSummary, str]]]] = {}
    for package in due:
        for shard in package.shards:
            if shard.volume is not None:
                key = shard_key(package.package_id, shard.number, shard.generation)
                of_volume = by_volume.setdefault(shard.volume, {})
                of_volume.setdefault(why_of(package), []).append((package, key))
    stuck: dict[str, tuple[PackageSummary, StorageError | KeptError]] = {}
    for volume, reasons in by_volume.items():
        for why, shards in reasons.items():
            for package, error in _remove(stores, volume, why, shards):
                stuck[package.package_id] = (package, error)
    left.kept += stuck.values()
    return [package for package in due if package.package_id not in stuck]


def _remove(
    stores: Stores, volume: str, why: gate.Why, shards: Sequence[tuple[PackageSummary, str]]
) -> list[tuple[PackageSummary, StorageError | KeptError]]:
    """Remove shards of one volume; return the packages whose shard could not be."""
    at = stores.clock.now()
    try:
        gate.remove(stores.catalog, stores.volumes[volume], [key for _, key in shards], why, at)
    except (StorageError, KeptError) as error:
        if len(shards) == 1:
            return [(shards[0][0], error)]
        return [stuck for shard in shards for stuck in _remove(stores, volume, why, [shard])]
    return []


def _entries(stores: Stores, gone: Sequence[PackageSummary]) -> list[NewEntry]:
    """Return an entry for each package that no other run has noted meanwhile."""
    at, actor = stores.clock.now(), stores.actor
    return [
        NewEntry(
            at=at,
            actor=actor,
            action=events.PACKAGE_DROP,
            institution=package.institution_id,
            objects={"package": package.package_id},
            data={"why": why_of(package).value, "key": package.key_id},
        )
        for package in gone
        if stores.catalog.package(package.package_id).drop_at is not None
    ]
