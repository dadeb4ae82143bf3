"""Every object that lies on a volume, with what it is part of: the rows of an inventory, in the order of package ids.

The invariant: read a page at a time, each page in one consistent view, so that memory does not grow with the archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.paging import Lane, walk
from retention.catalog.tables import INSTITUTION, PACKAGE, SHARD, STUDY, VOLUME
from retention.model.identifiers import PackageId


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One shard on a volume. `verified_at`: last read back whole; of a package without a study, study's are None."""

    package_id: PackageId
    number: int
    generation: int
    volume: str
    size_bytes: int
    state: str
    verified_at: datetime | None
    created_at: datetime
    tier: str
    data: int
    parity: int
    kind: str
    index_root: bytes
    is_superseded: bool
    institution: str
    study_uid: str | None
    modalities: str | None
    study_state: str | None
    keep_until_on: date | None
    holds: int | None


_STORED = (
    select(
        PACKAGE.c.package_id,
        SHARD.c.number,
        SHARD.c.generation,
        VOLUME.c.name,
        SHARD.c.size_bytes,
        SHARD.c.state,
        SHARD.c.verified_at,
        PACKAGE.c.created_at,
        PACKAGE.c.tier,
        PACKAGE.c.data,
        PACKAGE.c.parity,
        PACKAGE.c.kind,
        PACKAGE.c.index_root,
        PACKAGE.c.superseded_row.is_not(None),
        INSTITUTION.c.name,
        STUDY.c.study_uid,
        STUDY.c.modalities,
        STUDY.c.state,
        STUDY.c.keep_until_on,
        STUDY.c.holds,
    )
    .select_from(PACKAGE)
    .join(SHARD, SHARD.c.package_row == PACKAGE.c.id)
    .join(VOLUME, VOLUME.c.id == SHARD.c.volume_row)
    .join(INSTITUTION, INSTITUTION.c.id == PACKAGE.c.institution_row)
    .outerjoin(STUDY, STUDY.c.id == PACKAGE.c.study_row)
    .order_by(PACKAGE.c.package_id, SHARD.c.number)
)


def list_stored(database: Database, institution: str | None = None) -> Iterator[StoredObject]:
    """Yield every object (of an institution); write debt lies nowhere and is not among them."""
    keys = select(PACKAGE.c.package_id)
    statement = _STORED
    if institution is not None:
        keys = keys.join(INSTITUTION, INSTITUTION.c.id == PACKAGE.c.institution_row)
        keys = keys.where(INSTITUTION.c.name == institution)
        statement = statement.where(INSTITUTION.c.name == institution)

    def read(connection: Connection, page: Sequence[AnyRow]) -> Iterator[StoredObject]:
        if page:
            between = PACKAGE.c.package_id.between(page[0].package_id, page[-1].package_id)
            for package_id, *rest in connection.execute(statement.where(between)):
                yield StoredObject(PackageId(package_id), *rest)

    return walk(database, Lane(keys, (PACKAGE.c.package_id,)), read)
