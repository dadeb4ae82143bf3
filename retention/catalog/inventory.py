"""Every shard that lies somewhere, in the order of its name: to be compared with what volumes list, name by name.

The invariant: package ids only grow along the walk, so two sorted streams are compared in one pass and in constant
memory, however many packages there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.paging import Lane, walk
from retention.catalog.records import PlacedShard
from retention.catalog.tables import PACKAGE, SHARD, VOLUME
from retention.model.identifiers import PackageId

_PLACED = (
    select(
        PACKAGE.c.package_id,
        SHARD.c.number,
        SHARD.c.generation,
        VOLUME.c.name,
        SHARD.c.size_bytes,
        PACKAGE.c.drop_at.is_not(None),
    )
    .join(PACKAGE, PACKAGE.c.id == SHARD.c.package_row)
    .join(VOLUME, VOLUME.c.id == SHARD.c.volume_row)
    .order_by(PACKAGE.c.package_id, SHARD.c.number)
)


def list_placed(database: Database) -> Iterator[PlacedShard]:
    """Yield the shards of all packages, superseded or not, by package id and number; write debt is not among them."""
    return walk(database, Lane(select(PACKAGE.c.package_id), (PACKAGE.c.package_id,)), _read)


def _read(connection: Connection, page: Sequence[AnyRow]) -> Iterator[PlacedShard]:
    if not page:
        return
    between = PACKAGE.c.package_id.between(page[0].package_id, page[-1].package_id)
    for package_id, *shard in connection.execute(_PLACED.where(between)):
        yield PlacedShard(PackageId(package_id), *shard)
