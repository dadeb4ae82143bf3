"""Leases with fencing tokens: who may act, and how a write is refused when somebody else may by now.

A lease is one holder's until its time is over, and is renewed by a holder that lives. Time alone proves nothing: a
holder that was stopped does not know that it slept. So a write made under a lease checks, in its own transaction, that
the token is still the one it was given (`require`); to take a lease over is a write to the same row, which waits for
such a transaction, or makes it fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from retention.catalog.job_tables import LEASE
from retention.model.errors import LockedError


@dataclass(frozen=True, slots=True)
class Lease:
    """What somebody holds: `token` and `holder` together are its and nobody else's."""

    name: str
    holder: str
    token: int


@dataclass(frozen=True, slots=True)
class HeldLease:
    """Who has, or had, a lease, and until when."""

    lease: Lease
    until_at: datetime


def take(connection: Connection, name: str, holder: str, at: datetime, length: timedelta) -> Lease | None:
    """Take a lease that nobody holds at that instant; None when somebody does.

    One that ends far later than any lease taken now would was taken by a clock that has been set back since: it counts
    for nothing. A little later it may well end: another machine's clock is not quite ours, and `at` is from before this
    transaction waited for its turn.
    """
    row = connection.execute(select(LEASE).where(LEASE.c.name == name).with_for_update()).first()
    if row is None:
        values = {"name": name, "holder": holder, "token": 1, "until_at": at + length}
        connection.execute(insert(LEASE).values(**values))
        return Lease(name, holder, 1)
    if at < row.until_at <= at + 2 * length:
        return None
    return _pass_on(connection, name, holder, row.token + 1, at + length)


def take_away(connection: Connection, lease: Lease, at: datetime) -> None:
    """End a lease that another of this holder's own threads will not give back: what it writes is refused."""
    if are_held(connection, [lease], locking=True):
        _pass_on(connection, lease.name, lease.holder, lease.token + 1, at)


def renew(connection: Connection, leases: Sequence[Lease], at: datetime, length: timedelta) -> list[Lease]:
    """Hold on to leases for longer; return those that are somebody else's by now."""
    lost = []
    for lease in leases:
        mine = LEASE.c.name == lease.name, LEASE.c.holder == lease.holder, LEASE.c.token == lease.token
        if not connection.execute(update(LEASE).where(*mine).values(until_at=at + length)).rowcount:
            lost.append(lease)
    return lost


def release(connection: Connection, lease: Lease, at: datetime) -> None:
    """Give a lease back, if it is still held."""
    mine = LEASE.c.name == lease.name, LEASE.c.holder == lease.holder, LEASE.c.token == lease.token
    connection.execute(update(LEASE).where(*mine).values(until_at=at))


def are_held(connection: Connection, leases: Sequence[Lease], *, locking: bool = False) -> bool:
    """Whether all of these are still their holder's; `locking`: and until this transaction ends."""
    wanted = select(LEASE).where(LEASE.c.name.in_([lease.name for lease in leases])).order_by(LEASE.c.name)
    if locking:
        wanted = wanted.with_for_update(read=True)
    now = {Lease(row.name, row.holder, row.token) for row in connection.execute(wanted)}
    return now.issuperset(leases)


def require(connection: Connection, leases: Sequence[Lease]) -> None:
    """Raise LockedError unless all of these are still their holder's."""
    if leases and not are_held(connection, leases, locking=True):
        names = ", ".join(lease.name for lease in leases)
        raise LockedError(
            f"what was begun under the lease {names} may not be finished: it has passed to another holder",
            hint="nothing was written; whoever holds it now goes on with the work",
        )


def held(connection: Connection, name: str) -> HeldLease | None:
    """Return who had a lease last, and until when; None when nobody ever took it."""
    row = connection.execute(select(LEASE).where(LEASE.c.name == name)).first()
    return None if row is None else HeldLease(Lease(row.name, row.holder, row.token), row.until_at)


def _pass_on(connection: Connection, name: str, holder: str, token: int, until_at: datetime) -> Lease:
    values = {"holder": holder, "token": token, "until_at": until_at}
    connection.execute(update(LEASE).where(LEASE.c.name == name).values(**values))
    return Lease(name, holder, token)
