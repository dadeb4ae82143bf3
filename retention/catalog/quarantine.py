"""What could not be identified: listed without opening a package.

The invariant: an item is in the list as long as its package is in force.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.paging import Lane, walk
from retention.catalog.records import QuarantineItem
from retention.catalog.tables import INSTITUTION, PACKAGE, QUARANTINED
from retention.model.identifiers import PackageId

_ITEMS = (
    select(QUARANTINED, PACKAGE.c.package_id, PACKAGE.c.created_at, INSTITUTION.c.name.label("institution"))
    .join(PACKAGE, PACKAGE.c.id == QUARANTINED.c.package_row)
    .join(INSTITUTION, INSTITUTION.c.id == PACKAGE.c.institution_row)
    .where(PACKAGE.c.superseded_row.is_(None))
)


def list_quarantined(database: Database, institution_row: int | None = None) -> Iterator[QuarantineItem]:
    """Yield the items (of an institution), in order of arrival."""
    items = _ITEMS if institution_row is None else _ITEMS.where(PACKAGE.c.institution_row == institution_row)
    lane = Lane(items, (QUARANTINED.c.package_row, QUARANTINED.c.ordinal))
    return walk(database, lane, lambda _, page: map(_item, page))


def _item(row: AnyRow) -> QuarantineItem:
    return QuarantineItem(
        package_id=PackageId(row.package_id),
        ordinal=row.ordinal,
        institution=row.institution,
        reason=row.reason,
        detail=row.detail,
        source=row.source,
        size_bytes=row.size_bytes,
        received_at=row.created_at,
    )
