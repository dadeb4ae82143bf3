"""Shards: where they lie, what is wrong with them, and what audits and repairs learn.

The invariant: whatever is written about a shard, the `verified_at` and `read_at` of its package are afterwards the
oldest and the newest reading among the shards that lie somewhere (its own beginning where none was ever noted), so
audits find what is due.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, text, update

from retention.catalog.columns import AnyRow, Instant
from retention.catalog.database import Database
from retention.catalog.paging import Lane, walk
from retention.catalog.places import PlaceRows
from retention.catalog.records import FlawedShard, ShardRecord, ShardState
from retention.catalog.tables import PACKAGE, SHARD, VOLUME
from retention.model.errors import NotFoundError
from retention.model.layout import Protection

_STATES = {state.value: state for state in ShardState}
_SHARD = (
    SHARD.c.number,
    SHARD.c.generation,
    VOLUME.c.name,
    SHARD.c.size_bytes,
    SHARD.c.state,
    SHARD.c.verified_at,
)
_SHARDS = (
    select(SHARD.c.package_row, *_SHARD)
    .outerjoin(VOLUME, VOLUME.c.id == SHARD.c.volume_row)
    .order_by(SHARD.c.package_row, SHARD.c.number)
)
_FLAWED = (
    select(
        SHARD.c.package_row, *_SHARD, PACKAGE.c.package_id, PACKAGE.c.tier, PACKAGE.c.data, PACKAGE.c.parity
    )
    .join(PACKAGE, PACKAGE.c.id == SHARD.c.package_row)
    .outerjoin(VOLUME, VOLUME.c.id == SHARD.c.volume_row)
    .where(text("shard.state <> 'sound'"), PACKAGE.c.superseded_row.is_(None))
)
_SET = (
    update(SHARD)
    .where(SHARD.c.package_row == bindparam("the_package"), SHARD.c.number == bindparam("the_number"))
    .values(
        generation=bindparam("generation"),
        volume_row=bindparam("volume_row"),
        size_bytes=bindparam("size_bytes"),
        state=bindparam("state"),
        verified_at=func.coalesce(bindparam("verified_at", type_=Instant()), SHARD.c.verified_at),
    )
)
_VERIFIED = (
    update(SHARD)
    .where(SHARD.c.package_row == bindparam("the_package"), SHARD.c.number == bindparam("the_number"))
    .where(SHARD.c.volume_row.is_not(None))
    .values(state=ShardState.SOUND.value, verified_at=bindparam("at", type_=Instant()))
)
_READING = func.coalesce(SHARD.c.verified_at, PACKAGE.c.created_at)


def _of_shards(value: ColumnElement[datetime]) -> ColumnElement[datetime]:
    """What a package's shards that lie somewhere come to; its beginning when none does."""
    shards = select(value).where(SHARD.c.package_row == PACKAGE.c.id, SHARD.c.volume_row.is_not(None))
    return func.coalesce(shards.correlate(PACKAGE).scalar_subquery(), PACKAGE.c.created_at)


_REFRESH = (
    update(PACKAGE)
    .where(PACKAGE.c.id == bindparam("the_id"))
    .values(verified_at=_of_shards(func.min(_READING)), read_at=_of_shards(func.max(_READING)))
)


def read_shards(connection: Connection, package_rows: Sequence[int]) -> dict[int, list[ShardRecord]]:
    """Return the shards of packages, by package, in order of number."""
    shards: dict[int, list[ShardRecord]] = {row: [] for row in package_rows}
    if shards:
        wanted = _SHARDS.where(SHARD.c.package_row.in_(package_rows))
        for package_row, *shard in connection.execute(wanted).all():
            shards[package_row].append(_shard(*shard))
    return shards


def list_flawed(database: Database, state: ShardState | None = None) -> Iterator[FlawedShard]:
    """Yield the shards that are not sound (or those in one state), in order of package."""
    flawed = _FLAWED if state is None else _FLAWED.where(SHARD.c.state == state.value)
    return walk(
        database, Lane(flawed, (SHARD.c.package_row, SHARD.c.number)), lambda _, page: map(_flaw, page)
    )


def set_shards(
    connection: Connection, places: PlaceRows, package_row: int, shards: Sequence[ShardRecord]
) -> None:
    """Write what is now known of these shards; see `Transaction.set_shards`."""
    for shard in shards:
        change = {
            "the_package": package_row,
            "the_number": shard.number,
            "generation": shard.generation,
            "volume_row": places.volume(shard.volume),
            "size_bytes": shard.size_bytes,
            "state": shard.state.value,
            "verified_at": shard.verified_at,
        }
        if connection.execute(_SET, change).rowcount != 1:
            raise NotFoundError(f"the package has no shard {shard.number}", shard=shard.number)
    connection.execute(_REFRESH, {"the_id": package_row})


def record_verified(connection: Connection, verified: Mapping[int, Sequence[int]], at: datetime) -> None:
    """Note that these shards (package row: numbers) were read back whole, whatever was believed of them."""
    read = [
        {"the_package": row, "the_number": n, "at": at} for row, numbers in verified.items() for n in numbers
    ]
    if read:
        connection.execute(_VERIFIED, read)
        connection.execute(_REFRESH, [{"the_id": row} for row in verified])


def mark_missing(connection: Connection, volume_row: int) -> int:
    """Take every sound shard of a volume for missing; return how many."""
    held = SHARD.c.volume_row == volume_row, SHARD.c.state == ShardState.SOUND.value
    return connection.execute(update(SHARD).where(*held).values(state=ShardState.MISSING.value)).rowcount


def _flaw(row: AnyRow) -> FlawedShard:
    _, *shard, package_id, tier, data, parity = row
    return FlawedShard(package_id, tier, Protection(data, parity), _shard(*shard))


def _shard(
    number: int,
    generation: int,
    volume: str | None,
    size_bytes: int,
    state: str,
    verified_at: datetime | None,
) -> ShardRecord:
    return ShardRecord(number, volume, size_bytes, generation, _STATES[state], verified_at)
