"""What keeps the journal sealed without anybody's doing: the jobs of the scheduler.

Both may run at any time and do nothing when nothing is due. The invariant: what fails is an entry of the journal, if
that can be written, before it is raised; so an auditor sees when seals or timestamps were not to be had.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from retention.journal.envelope import NewEntry
from retention.journal.renewal import held_until
from retention.model.errors import RetentionError
from retention.services import commit
from retention.services.disclosing import enter_late, waiting
from retention.services.entries.sealing import SEAL_FAILED
from retention.services.seal import FoundSeals, Stop, find_seals, seal_journal, timestamp_waiting
from retention.services.stores import Stores

RENEW_BEFORE = timedelta(days=30)
RENEW_EVERY = timedelta(days=1)
"""A timestamp that ends soon is carried on by that of a new seal, though not by one every hour."""


@dataclass(frozen=True, slots=True)
class SealStatus:
    """How well the journal is sealed. `waiting` seals have no timestamp yet, though an authority is named.

    `lapsed` timestamps ended before a later one took over; `until` is when the next does, None without any.
    """

    seals: int
    sealed_at: datetime | None
    waiting: int
    timestamps: int
    lapsed: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class SealRun:
    """What a run did: the size of the seal it made (None: none was due), and how many timestamps it got, and why not
    more; `status` is how things stand then."""

    sealed: int | None
    timestamped: int
    why_not: str | None
    status: SealStatus


def seal_if_due(stores: Stores, *, stop: Stop) -> SealRun:
    """Seal the journal when the last seal is as old as archive.yaml allows, or a timestamp ends soon; stamp what waits.

    What was given out while the journal was full is entered first.

    Raises as `seal_journal`, after telling the journal.
    """
    if waiting(stores.root):
        with stores.commit_lock.hold():
            commit.bring_up_to_date(stores)
            enter_late(stores)
    found = find_seals(stores)
    if stop() or not _is_due(stores, found):
        return stamp_due(stores, stop=stop)
    try:
        made = seal_journal(stores)
    except RetentionError as error:
        with suppress(RetentionError):  # where the journal cannot be written, that is what is told
            at = stores.clock.now()
            commit.append(stores, [NewEntry(at, stores.actor, SEAL_FAILED, data={"reason": error.code})])
        raise
    return SealRun(made.seal.size, made.timestamped, made.why_not, seal_status(stores))


def stamp_due(stores: Stores, *, stop: Stop) -> SealRun:
    """Have the seals timestamped that are not yet: the authority was away, or was named only since."""
    if stores.settings.timestamp_url is None or seal_status(stores).waiting == 0:
        return SealRun(None, 0, None, seal_status(stores))
    done, why_not = timestamp_waiting(stores, stop=stop)
    return SealRun(None, done, why_not, seal_status(stores))


def seal_status(stores: Stores, found: FoundSeals | None = None) -> SealStatus:
    """Return how well the journal is sealed; reads the seals on the volumes, not the journal."""
    found = find_seals(stores) if found is None else found
    seals, stamps = found.seals(), found.stamps()
    ends = held_until(seals, stamps)
    now = stores.clock.now()
    lapsed = sum(end < now for end in ends.values())
    return SealStatus(
        seals=len(seals),
        sealed_at=max((seal.sealed_at for seal in seals), default=None),
        waiting=0 if stores.settings.timestamp_url is None else len(seals) - len(stamps),
        timestamps=len(stamps),
        lapsed=lapsed,
        until=min((end for end in ends.values() if end >= now), default=None),
    )


def _is_due(stores: Stores, found: FoundSeals) -> bool:
    now, status = stores.clock.now(), seal_status(stores, found)
    if status.sealed_at is None or now - status.sealed_at >= stores.settings.seal_every:
        return True
    is_ending = status.until is not None and status.until - now < RENEW_BEFORE
    return is_ending and now - status.sealed_at >= RENEW_EVERY and stores.settings.timestamp_url is not None
