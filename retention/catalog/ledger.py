"""The work ledger: what is to be done, who is doing it until when, and how it ended.

The invariants: a piece of work is leased to one holder at a time, and only its latest lease can finish it, so that
a worker that slept through the end of its lease changes nothing (the attempt number is the fencing token). What is
finished stays finished. If everybody dies, leases expire and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from retention.catalog.columns import AnyRow
from retention.catalog.packages import KEYS, package_rows
from retention.catalog.records import Claim, WorkItem
from retention.catalog.tables import PACKAGE, WORK
from retention.model.errors import LockedError
from retention.model.identifiers import PackageId


def add_work(
    connection: Connection, kind: str, package_row: int | None, payload: Mapping[str, object], at: datetime
) -> int:
    """Note a piece of work; return its id. The payload must be plain JSON values."""
    work_id = int(connection.execute(select(func.max(WORK.c.id))).scalar() or 0) + 1
    values = {
        "id": work_id,
        "kind": kind,
        "package_row": package_row,
        "payload": dict(payload),
        "attempts": 0,
    }
    connection.execute(insert(WORK).values(**values, created_at=at))
    return work_id


def lease_work(
    connection: Connection, kind: str, holder: str, at: datetime, lease: timedelta, limit: int = 1
) -> list[WorkItem]:
    """Lease the oldest pieces of open work that nobody holds at that instant."""
    free = or_(WORK.c.lease_until_at.is_(None), WORK.c.lease_until_at <= at)
    wanted = (
        select(WORK, PACKAGE.c.package_id)
        .outerjoin(PACKAGE, PACKAGE.c.id == WORK.c.package_row)
        .where(WORK.c.kind == kind, WORK.c.result.is_(None), free)
        .order_by(WORK.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=WORK)
    )
    until_at = at + lease
    items = []
    for row in connection.execute(wanted).all():
        attempt = row.attempts + 1
        lease_values = {"holder": holder, "lease_until_at": until_at, "attempts": attempt}
        connection.execute(update(WORK).where(WORK.c.id == row.id).values(**lease_values))
        package_id = None if row.package_id is None else PackageId(row.package_id)
        items.append(WorkItem(row.id, row.kind, package_id, dict(row.payload), attempt, until_at))
    return items


def claim_work(connection: Connection, claim: Claim, package_ids: Sequence[PackageId]) -> list[WorkItem]:
    """Take work of a kind on these packages, noted already or not; return what nobody else is at.

    A package that another holder is at now is left out. Raises NotFoundError for one that is not known.
    """
    rows = package_rows(connection, package_ids)
    noted: dict[int, AnyRow] = {}
    for start in range(0, len(package_ids), KEYS):
        some = [rows[package_id] for package_id in package_ids[start : start + KEYS]]
        wanted = select(WORK).where(
            WORK.c.kind == claim.kind, WORK.c.result.is_(None), WORK.c.package_row.in_(some)
        )
        noted |= {row.package_row: row for row in connection.execute(wanted.with_for_update())}
    items = []
    for package_id in package_ids:
        row = noted.get(rows[package_id])
        if row is not None and not claim.is_free(row.holder, row.lease_until_at):
            continue
        work_id, attempt = (
            (add_work(connection, claim.kind, rows[package_id], {}, claim.at), 1)
            if row is None
            else (row.id, row.attempts + 1)
        )
        lease = {"holder": claim.holder, "lease_until_at": claim.until_at, "attempts": attempt}
        connection.execute(update(WORK).where(WORK.c.id == work_id).values(**lease))
        items.append(WorkItem(work_id, claim.kind, package_id, {}, attempt, claim.until_at))
    return items


def held_work(connection: Connection, items: Sequence[WorkItem]) -> set[int]:
    """Return the ids of those pieces of work whose lease is still the one given."""
    attempts = {item.work_id: item.attempt for item in items}
    held: set[int] = set()
    for start in range(0, len(items), KEYS):
        some = [item.work_id for item in items[start : start + KEYS]]
        wanted = select(WORK.c.id, WORK.c.attempts).where(WORK.c.id.in_(some), WORK.c.result.is_(None))
        held |= {row.id for row in connection.execute(wanted) if attempts[row.id] == row.attempts}
    return held


def renew_work(connection: Connection, item: WorkItem, until_at: datetime) -> WorkItem:
    """Hold on to a piece of work for longer. Raises LockedError if the lease went to somebody else."""
    _change(connection, item, {"lease_until_at": until_at})
    return WorkItem(item.work_id, item.kind, item.package_id, item.payload, item.attempt, until_at)


def finish_work_of(connection: Connection, items: Sequence[WorkItem], result: str) -> None:
    """Close pieces of work for ever, as far as their leases are still the ones given."""
    for item in items:
        mine = WORK.c.id == item.work_id, WORK.c.attempts == item.attempt, WORK.c.result.is_(None)
        connection.execute(update(WORK).where(*mine).values(result=result, lease_until_at=None))


def finish_work(connection: Connection, item: WorkItem, result: str) -> None:
    """Close a piece of work for ever. Raises LockedError if the lease went to somebody else."""
    _change(connection, item, {"result": result, "lease_until_at": None})


def _change(connection: Connection, item: WorkItem, values: Mapping[str, object]) -> None:
    mine: list[ColumnElement[bool]] = [
        WORK.c.id == item.work_id,
        WORK.c.attempts == item.attempt,
        WORK.c.result.is_(None),
    ]
    if connection.execute(update(WORK).where(*mine).values(dict(values))).rowcount != 1:
        raise LockedError(f"the lease of work {item.work_id} has passed to another holder", work=item.work_id)
