"""The end of an ingest: many packages made durable together, read back, and committed with one entry each.

Runs in one thread behind the builder, so that the disks write one group while the next is packed. The order never
changes: list what is to be published, sync, publish, read back from the medium, keys, journal and catalog; only then is
anything acknowledged. What goes wrong before the commit is removed at once; once it has begun nobody but the next start
can say what counts, so nothing is removed any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retention.model.errors import RetentionError
from retention.services import commit, events
from retention.services.events import Names
from retention.services.ingest.build import BuiltPackage
from retention.services.making import make_durable, package_entry
from retention.services.projection import instance_digests
from retention.services.sessions import Session
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class FinishedPackage:
    """A package that is acknowledged: durable, read back and in the journal.

    Or the `error` that stopped it; or it was `overtaken`: another commit brought one of its instances first, so what it
    holds has to be recognised again. Nothing of these stays.
    """

    built: BuiltPackage
    error: RetentionError | None = None
    is_overtaken: bool = False


def finish(
    stores: Stores, names: Names, session: Session, group: Sequence[BuiltPackage]
) -> list[FinishedPackage]:
    """Make a group of packages durable, verify and commit them.

    Raises what the commit raises; then the group's shards are left to the next start.
    """
    durable = make_durable(stores.volumes, session, group)
    finished = [FinishedPackage(built, error) for built, error in durable if error]
    sound = [built for built, error in durable if error is None]
    if sound:
        finished += _commit(stores, names, sound)
    if any(built.uploads.is_left for built in group):
        session.leave_open()
    return finished


def _commit(stores: Stores, names: Names, group: Sequence[BuiltPackage]) -> list[FinishedPackage]:
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        overtaken = _overtaken(stores, names, group)
        fresh = [built for built in group if id(built) not in overtaken]
        if fresh:
            segments = stores.keyring.commit([built.key for built in fresh])
            at, actor = stores.clock.now(), stores.actor
            entries = [
                package_entry(
                    built,
                    names,
                    segments[built.key.key_id],
                    action=events.PACKAGE_INGEST,
                    data={"replaces": sorted(built.replaces)} if built.replaces else None,
                    at=at,
                    actor=actor,
                )
                for built in fresh
            ]
            commit.append_locked(stores, entries, {built.key.key_id: built.key.secret for built in fresh})
    for built in group:
        if id(built) in overtaken:
            built.uploads.discard()
    return [FinishedPackage(built, is_overtaken=id(built) in overtaken) for built in group]


def _overtaken(stores: Stores, names: Names, group: Sequence[BuiltPackage]) -> set[int]:
    """Return the packages (by `id`) with an instance that came in since the package's files were recognised."""
    digests = {
        id(b): {digest for digest, _ in instance_digests(b.institution, b.contents, names)} for b in group
    }
    wanted = list(set().union(*digests.values()))
    held = stores.catalog.find_instances(group[0].institution, wanted)
    overtaken: set[int] = set()
    taken: set[bytes] = set()
    for built in group:
        mine = digests[id(built)]
        is_new = all(len(held.get(digest, ())) == built.known.get(digest, 0) for digest in mine)
        is_new = is_new and all(stores.catalog.package(lost).lost for lost in built.replaces)
        if is_new and mine.isdisjoint(taken):
            taken |= mine
        else:
            overtaken.add(id(built))
    return overtaken
