"""Packages: one, those of a study, and all of them in the order in which an audit should read them.

The invariant: a superseded package is in no list of what is held, only found by its id, and among the forms of a study
as long as anything of it lies on volumes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, update

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.paging import Lane, walk
from retention.catalog.records import PackageKey, PackageKind, PackageSummary, ShardRecord
from retention.catalog.shards import read_shards
from retention.catalog.tables import INSTITUTION, PACKAGE, SHARD, STUDY
from retention.model.errors import NotFoundError
from retention.model.identifiers import InstitutionId, KeyId, PackageId
from retention.model.layout import Protection

KEYS = 500

_SUPERSEDED = PACKAGE.alias("superseded")
_COPIED = PACKAGE.alias("copied")
_PACKAGES = (
    select(
        PACKAGE,
        INSTITUTION.c.institution_id,
        INSTITUTION.c.name.label("institution"),
        STUDY.c.study_uid,
        _SUPERSEDED.c.package_id.label("supersedes"),
        _COPIED.c.package_id.label("copy_of"),
    )
    .join(INSTITUTION, INSTITUTION.c.id == PACKAGE.c.institution_row)
    .outerjoin(STUDY, STUDY.c.id == PACKAGE.c.study_row)
    .outerjoin(_SUPERSEDED, _SUPERSEDED.c.id == PACKAGE.c.supersedes_row)
    .outerjoin(_COPIED, _COPIED.c.id == PACKAGE.c.copy_of_row)
)
_HAS_SHARDS = select(SHARD.c.number).where(SHARD.c.package_row == PACKAGE.c.id).correlate(PACKAGE).exists()


def read_package(connection: Connection, package_id: PackageId) -> PackageSummary:
    """Return one package, superseded or not. Raises NotFoundError."""
    for package in _summaries(connection, _PACKAGES.where(PACKAGE.c.package_id == package_id)):
        return package
    raise NotFoundError(f"no package {package_id} is known", package=package_id)


def read_packages(connection: Connection, rows: Sequence[int]) -> dict[int, PackageSummary]:
    """Return packages by their rows, superseded or not; a row that is none is left out."""
    packages: dict[int, PackageSummary] = {}
    for start in range(0, len(rows), KEYS):
        found = connection.execute(_PACKAGES.where(PACKAGE.c.id.in_(rows[start : start + KEYS]))).all()
        packages.update(zip((row.id for row in found), _with_shards(connection, found), strict=True))
    return packages


def read_packages_of(connection: Connection, study_row: int) -> list[PackageSummary]:
    """Return the packages that hold a study, recalled copies too, oldest first."""
    wanted = _PACKAGES.where(PACKAGE.c.study_row == study_row, PACKAGE.c.superseded_row.is_(None))
    return _summaries(connection, wanted.order_by(PACKAGE.c.id))


def read_forms_of(connection: Connection, study_row: int) -> list[PackageSummary]:
    """Return every package that has shards of a study, superseded ones in their grace and copies too, oldest first."""
    wanted = _PACKAGES.where(PACKAGE.c.study_row == study_row, _HAS_SHARDS)
    return _summaries(connection, wanted.order_by(PACKAGE.c.id))


def read_copies_of(connection: Connection, package_row: int) -> list[PackageSummary]:
    """Return the recalled copies of a package, oldest first."""
    wanted = _PACKAGES.where(PACKAGE.c.copy_of_row == package_row, PACKAGE.c.superseded_row.is_(None))
    return _summaries(connection, wanted.order_by(PACKAGE.c.id))


def read_successor_of(connection: Connection, package_id: PackageId) -> PackageSummary:
    """Return the package that now stands for one that was superseded, perhaps several times; itself if none does."""
    row: int | None = package_row(connection, package_id)
    last = row
    while row is not None:
        last = row
        row = connection.execute(select(PACKAGE.c.superseded_row).where(PACKAGE.c.id == row)).scalar()
    return _summaries(connection, _PACKAGES.where(PACKAGE.c.id == last))[0]


def is_moved(connection: Connection, package_row: int) -> bool:
    """Whether another package holds the same in another form."""
    form = select(PACKAGE.c.id).where(PACKAGE.c.supersedes_row == package_row)
    return connection.execute(form).first() is not None


def list_leaving(database: Database, at: datetime) -> Iterator[PackageSummary]:
    """Yield the superseded packages and copies whose shards may be dropped by that instant, longest due first."""
    due = select(PACKAGE.c.drop_at, PACKAGE.c.id).where(PACKAGE.c.drop_at <= at)

    def read(connection: Connection, page: Sequence[AnyRow]) -> list[PackageSummary]:
        rows = [row for _, row in page]
        found = {p.id: p for p in connection.execute(_PACKAGES.where(PACKAGE.c.id.in_(rows)))}
        return _with_shards(connection, [found[row] for row in rows])

    return walk(database, Lane(due, (PACKAGE.c.drop_at, PACKAGE.c.id)), read)


def set_drop_at(connection: Connection, package_row: int, at: datetime) -> None:
    """Set when the shards of a superseded package or a copy may be dropped; no effect once they are."""
    leaving = update(PACKAGE).where(PACKAGE.c.id == package_row, PACKAGE.c.drop_at.is_not(None))
    connection.execute(leaving.values(drop_at=at))


def forget_shards(connection: Connection, package_row: int) -> None:
    """Note that nothing of a superseded package, or of a copy, lies on volumes any more.

    A copy that is gone counts as superseded by what it was a copy of. Raises WriteOnceError for a package in force.
    """
    own = PACKAGE.c.id == package_row
    copy = own, PACKAGE.c.copy_of_row.is_not(None), PACKAGE.c.superseded_row.is_(None)
    connection.execute(update(PACKAGE).where(*copy).values(superseded_row=PACKAGE.c.copy_of_row))
    connection.execute(delete(SHARD).where(SHARD.c.package_row == package_row))
    connection.execute(update(PACKAGE).where(own).values(drop_at=None))


def list_packages(
    database: Database, tier: str | None = None, kind: PackageKind | None = None
) -> Iterator[PackageSummary]:
    """Yield all packages (of a tier, of a kind), the one whose oldest reading is longest ago first.

    A package read back while the list runs moves behind the end the list had when it began, and is not met again.
    Where a clock was ahead once, that end lies in the future: then no more are listed than there can have been.
    """
    place = PACKAGE.c.verified_at, PACKAGE.c.id
    keys = select(*place).where(PACKAGE.c.superseded_row.is_(None))
    if tier is not None:
        keys = keys.where(PACKAGE.c.tier == tier)
    with database.read() as connection:
        last = connection.execute(keys.order_by(*(column.desc() for column in place)).limit(1)).first()
        newest = connection.execute(select(PACKAGE.c.id).order_by(PACKAGE.c.id.desc()).limit(1)).scalar()
    if last is None:
        return iter(())
    wanted = _PACKAGES if kind is None else _PACKAGES.where(PACKAGE.c.kind == kind.value)

    def read(connection: Connection, page: Sequence[AnyRow]) -> list[PackageSummary]:
        rows = [row for verified_at, row in page if (verified_at, row) <= tuple(last)]
        found = {row.id: row for row in connection.execute(wanted.where(PACKAGE.c.id.in_(rows)))}
        return _with_shards(connection, [found[row] for row in rows if row in found])

    return islice(
        walk(database, Lane(keys.where(PACKAGE.c.verified_at <= last.verified_at), place), read), newest
    )


def package_row(connection: Connection, package_id: PackageId) -> int:
    """Return the row of a package. Raises NotFoundError."""
    return package_rows(connection, [package_id])[package_id]


def package_rows(connection: Connection, package_ids: Sequence[PackageId]) -> dict[PackageId, int]:
    """Return the rows of packages. Raises NotFoundError if one is not known."""
    rows: dict[PackageId, int] = {}
    for start in range(0, len(package_ids), KEYS):
        some = PACKAGE.c.package_id.in_(package_ids[start : start + KEYS])
        rows.update(connection.execute(select(PACKAGE.c.package_id, PACKAGE.c.id).where(some)).all())
    for package_id in package_ids:
        if package_id not in rows:
            raise NotFoundError(f"no package {package_id} is known", package=package_id)
    return rows


def set_lost(connection: Connection, package_row: int, *, lost: bool) -> None:
    """Note that an audit proved a package lost, or found it readable again."""
    connection.execute(update(PACKAGE).where(PACKAGE.c.id == package_row).values(lost=lost))


def _summaries(connection: Connection, wanted: Select[Any]) -> list[PackageSummary]:
    return _with_shards(connection, connection.execute(wanted).all())


def _with_shards(connection: Connection, rows: Sequence[AnyRow]) -> list[PackageSummary]:
    shards = read_shards(connection, [row.id for row in rows])
    return [_package(row, tuple(shards[row.id])) for row in rows]


def _package(row: AnyRow, shards: tuple[ShardRecord, ...]) -> PackageSummary:
    return PackageSummary(
        package_id=PackageId(row.package_id),
        institution_id=InstitutionId(row.institution_id),
        institution=row.institution,
        study_uid=row.study_uid,
        kind=PackageKind(row.kind),
        tier=row.tier,
        protection=Protection(row.data, row.parity),
        format=row.format,
        instances=row.instances,
        bytes_received=row.bytes_received,
        bytes_stored=row.bytes_stored,
        index_root=bytes(row.index_root),
        manifest_digest=bytes(row.manifest_digest),
        key_id=KeyId(row.key_id),
        key_segment=row.key_segment,
        supersedes=PackageId(row.supersedes) if row.supersedes else None,
        is_superseded=row.superseded_row is not None,
        copy_of=PackageId(row.copy_of) if row.copy_of else None,
        drop_at=row.drop_at,
        sequence=row.sequence,
        created_at=row.created_at,
        closed=row.closed,
        verified_at=row.verified_at,
        lost=row.lost,
        replaced=row.replaced,
        shards=shards,
    )


def count_elsewhere(connection: Connection, tiers: Collection[str]) -> dict[str, int]:
    """Return the tiers beside `tiers` that packages in force lie on, with their number; quick where there is none."""
    in_force = PACKAGE.c.superseded_row.is_(None)
    counts: dict[str, int] = {}
    tier = connection.execute(select(func.min(PACKAGE.c.tier)).where(in_force)).scalar()
    while tier is not None:
        if tier not in tiers:
            wanted = select(func.count()).select_from(PACKAGE).where(in_force, PACKAGE.c.tier == tier)
            counts[tier] = int(connection.execute(wanted).scalar_one())
        following = select(func.min(PACKAGE.c.tier)).where(in_force, PACKAGE.c.tier > tier)
        tier = connection.execute(following).scalar()
    return counts


def list_keys(database: Database) -> Iterator[PackageKey]:
    """Yield the key of every package in force, in order of arrival: those of one file of the keyring lie together."""
    lane = Lane(select(PACKAGE.c.id).where(PACKAGE.c.superseded_row.is_(None)), (PACKAGE.c.id,))

    def read(connection: Connection, page: Sequence[AnyRow]) -> list[PackageKey]:
        columns = select(PACKAGE.c.package_id, PACKAGE.c.key_id, PACKAGE.c.key_segment)
        wanted = columns.where(PACKAGE.c.id.in_([row for (row,) in page])).order_by(PACKAGE.c.id)
        return [
            PackageKey(PackageId(package_id), KeyId(key_id), segment)
            for package_id, key_id, segment in connection.execute(wanted)
        ]

    return walk(database, lane, read)
