"""Recording packages: the path every study takes into the catalog, from ingest and from replay alike.

The invariants: a package already recorded changes nothing, however often its entry is applied; a superseding package
takes over the instances (and copies) of the one it supersedes and adds nothing to the study's counts, nor does a copy;
whatever text the journal
accepted is accepted here. A batch costs a fixed number of statements, so the price of a study is that of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from retention.catalog.bulk import insert_rows
from retention.catalog.columns import Instant
from retention.catalog.holdings import Holdings
from retention.catalog.locations import PackageInstances, relocate_instances, store_instances
from retention.catalog.places import PlaceRows
from retention.catalog.records import PackageKind, PackageRecord
from retention.catalog.replacing import apply_replacement, find_replaced
from retention.catalog.tables import PACKAGE, QUARANTINED, SHARD
from retention.model.errors import CatalogError

BATCH = 256

Values = dict[str, Any]

_SUPERSEDE = (
    update(PACKAGE)
    .where(PACKAGE.c.id == bindparam("the_id"))
    .values(superseded_row=bindparam("by_row"), drop_at=bindparam("until_at", type_=Instant()))
)
_FOLLOW = (
    update(PACKAGE)
    .where(PACKAGE.c.copy_of_row == bindparam("the_id"), PACKAGE.c.superseded_row.is_(None))
    .values(copy_of_row=bindparam("by_row"))
)
_LAST_PACKAGE = select(func.max(PACKAGE.c.id))


def record_packages(connection: Connection, places: PlaceRows, records: Sequence[PackageRecord]) -> int:
    """Record packages and what they tell of their studies; return how many were new.

    Raises CatalogError if a package is known from another journal entry, names an institution, volume or package
    that is not known, or would supersede one that holds something else.
    """
    recorded = 0
    for start in range(0, len(records), BATCH):
        fresh = _fresh(connection, records[start : start + BATCH])
        if fresh:
            _Batch(connection, places, fresh).store()
            recorded += len(fresh)
    return recorded


def _fresh(connection: Connection, records: Sequence[PackageRecord]) -> list[PackageRecord]:
    known = select(PACKAGE.c.package_id, PACKAGE.c.sequence).where(
        PACKAGE.c.package_id.in_([record.package_id for record in records])
    )
    sequences: dict[str, int] = dict(connection.execute(known).all())
    fresh = []
    for record in records:
        sequence = sequences.get(record.package_id)
        if sequence is None:
            sequences[record.package_id] = record.sequence
            fresh.append(record)
        elif sequence != record.sequence:
            message = (
                f"entries {sequence} and {record.sequence} both say they made package {record.package_id}"
            )
            raise CatalogError(message, hint="run `retention journal verify`", package=record.package_id)
    return fresh


class _Batch:
    """Packages not recorded before, on their way into the tables."""

    def __init__(self, connection: Connection, places: PlaceRows, records: Sequence[PackageRecord]) -> None:
        self._connection = connection
        self._places = places
        first = int(connection.execute(_LAST_PACKAGE).scalar() or 0) + 1
        self._records = list(enumerate(records, start=first))
        self._owners = [places.institution(record.institution_id) for record in records]
        keys = (
            (o, r.study.study_uid) for o, r in zip(self._owners, records, strict=True) if r.study is not None
        )
        self._holdings = Holdings(connection, keys)
        self._older = self._older_rows()
        self._study_rows: dict[int, int | None] = {}
        self._replaced = {
            row: find_replaced(connection, owner, row, record)
            for (row, record), owner in self._owned()
            if record.replaces
        }

    def store(self) -> None:
        """Write everything, referred-to rows first."""
        packages = [self._package(row, record, owner) for (row, record), owner in self._owned()]
        self._holdings.store()
        insert_rows(self._connection, PACKAGE, packages)
        shards = [shard for row, record in self._records for shard in self._shards(row, record)]
        insert_rows(self._connection, SHARD, shards)
        items = [item for row, record in self._records for item in _quarantined(row, record)]
        insert_rows(self._connection, QUARANTINED, items)
        store_instances(
            self._connection,
            [
                PackageInstances(owner, row, self._fresh_digests(row, record))
                for (row, record), owner in self._owned()
                if record.supersedes is None and record.copy_of is None
            ],
        )
        self._supersede()
        for row, record in self._records:
            if row in self._replaced:
                apply_replacement(self._connection, row, record, self._replaced[row])

    def _fresh_digests(self, row: int, record: PackageRecord) -> Sequence[tuple[bytes, int]]:
        replaced = self._replaced.get(row)
        return record.digests if replaced is None else replaced.fresh(record.digests)

    def _owned(self) -> list[tuple[tuple[int, PackageRecord], int]]:
        return list(zip(self._records, self._owners, strict=True))

    def _package(self, row: int, record: PackageRecord, owner: int) -> Values:
        self._study_rows[row] = self._study_row(row, record, owner)
        return {
            "id": row,
            "package_id": record.package_id,
            "institution_row": owner,
            "study_row": self._study_rows[row],
            "kind": record.kind.value,
            "tier": record.tier,
            "data": record.protection.data,
            "parity": record.protection.parity,
            "format": record.format,
            "instances": record.instances,
            "bytes_received": record.bytes_received,
            "bytes_stored": record.bytes_stored,
            "index_root": record.index_root,
            "manifest_digest": record.manifest_digest,
            "key_id": record.key_id,
            "key_segment": record.key_segment,
            "sequence": record.sequence,
            "created_at": record.created_at,
            "closed": record.closed,
            "verified_at": min(_readings(record), default=record.created_at),
            "read_at": max(_readings(record), default=record.created_at),
            "lost": False,
            "replaced": 0,
            "replaced_bytes": 0,
            "supersedes_row": self._older.get(record.supersedes) if record.supersedes else None,
            "superseded_row": None,
            "copy_of_row": self._older.get(record.copy_of) if record.copy_of else None,
            "drop_at": record.drop_at if record.copy_of else None,
        }

    def _study_row(self, row: int, record: PackageRecord, owner: int) -> int | None:
        if record.copy_of is not None:
            return self._study_of(self._older[record.copy_of])
        if record.study is None:
            return None  # in quarantine; or its key is gone, and with it all that it says of itself
        if record.kind is PackageKind.QUARANTINE:
            raise CatalogError(f"package {record.package_id} is in quarantine and names a study")
        if record.supersedes is None:
            return self._holdings.add(owner, record.study, record, self._replaced.get(row))
        study_row = self._holdings.row_of((owner, record.study.study_uid))
        if study_row is None:
            raise CatalogError(f"package {record.package_id} supersedes one of a study that is not known")
        return study_row

    def _shards(self, row: int, record: PackageRecord) -> list[Values]:
        return [
            {
                "package_row": row,
                "number": shard.number,
                "generation": shard.generation,
                "volume_row": self._places.volume(shard.volume),
                "size_bytes": shard.size_bytes,
                "state": shard.state.value,
                "verified_at": shard.verified_at,
            }
            for shard in record.shards
        ]

    def _study_of(self, package_row: int) -> int | None:
        known = self._study_rows.get(package_row)
        if known is None:
            study = select(PACKAGE.c.study_row).where(PACKAGE.c.id == package_row)
            known = self._connection.execute(study).scalar()
        return known

    def _older_rows(self) -> dict[str, int]:
        """Return the rows of the packages that those of this batch supersede, or are copies of."""
        wanted = [older for _, r in self._records for older in (r.supersedes, r.copy_of) if older is not None]
        if not wanted:
            return {}
        rows = {str(record.package_id): row for row, record in self._records}
        known = select(PACKAGE.c.package_id, PACKAGE.c.id).where(PACKAGE.c.package_id.in_(wanted))
        rows.update(self._connection.execute(known).all())
        for package_id in wanted:
            if package_id not in rows:
                raise CatalogError(
                    f"the catalog does not know package {package_id}, which another is a form of"
                )
        return rows

    def _supersede(self) -> None:
        for (row, record), owner in self._owned():
            if record.supersedes is None:
                continue
            old_row = self._older[record.supersedes]
            old = select(PACKAGE.c.instances, PACKAGE.c.study_row, PACKAGE.c.institution_row)
            instances, study_row, institution_row = self._connection.execute(
                old.where(PACKAGE.c.id == old_row)
            ).one()
            new_study_row = self._study_rows[row]
            if (instances, study_row, institution_row) != (record.instances, new_study_row, owner):
                message = f"package {record.package_id} does not hold what {record.supersedes} holds"
                raise CatalogError(message, hint="run `retention journal verify`", package=record.package_id)
            rows = {"the_id": old_row, "by_row": row}
            self._connection.execute(_SUPERSEDE, rows | {"until_at": record.drop_at})
            self._connection.execute(_FOLLOW, rows)
            relocate_instances(self._connection, old_row, PackageInstances(owner, row, record.digests))


def _readings(record: PackageRecord) -> list[datetime]:
    return [shard.verified_at or record.created_at for shard in record.shards if shard.volume is not None]


def _quarantined(row: int, record: PackageRecord) -> list[Values]:
    return [
        {
            "package_row": row,
            "ordinal": item.ordinal,
            "reason": item.reason,
            "detail": item.detail,
            "source": item.source,
            "size_bytes": item.size_bytes,
        }
        for item in record.quarantined
    ]
