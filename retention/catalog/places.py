"""Institutions and volumes: who owns, and where things lie.

The invariant: their public names and ids stand for one row each for ever, so the row numbers found here may be kept
for the length of a transaction.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, func, insert, literal_column, select, update

from retention.catalog.columns import AnyRow
from retention.catalog.records import InstitutionRecord, VolumeRecord, VolumeUsage
from retention.catalog.tables import INSTITUTION, SHARD, VOLUME
from retention.model.errors import CatalogError, UsageError
from retention.model.identifiers import InstitutionId, VolumeId
from retention.model.layout import InstitutionSpec, VolumeSpec


def read_institutions(connection: Connection) -> list[InstitutionRecord]:
    """All institutions, in order of name."""
    return [_institution(row) for row in connection.execute(select(INSTITUTION).order_by(INSTITUTION.c.name))]


def read_volumes(connection: Connection) -> list[VolumeRecord]:
    """All volumes, in the order in which they were recorded."""
    return [_volume(row) for row in connection.execute(select(VOLUME).order_by(VOLUME.c.id))]


def read_usage(connection: Connection) -> dict[str, VolumeUsage]:
    """How many shards each volume holds; counted in the index, which is linear in the number of shards."""
    names = {row.id: row.name for row in connection.execute(select(VOLUME.c.id, VOLUME.c.name))}
    held = _per_volume(connection, SHARD.c.volume_row.is_not(None))
    flawed = _per_volume(connection, literal_column("state <> 'sound'", Boolean()))
    return {name: VolumeUsage(held.get(row, 0), flawed.get(row, 0)) for row, name in names.items()}


def _per_volume(connection: Connection, condition: ColumnElement[bool]) -> dict[int, int]:
    statement = select(SHARD.c.volume_row, func.count()).where(condition).group_by(SHARD.c.volume_row)
    return dict(connection.execute(statement).all())


def institution_row(connection: Connection, name: str) -> int:
    """Return the row of an institution's name. Raises UsageError, with the known names in its hint."""
    row = connection.execute(select(INSTITUTION.c.id).where(INSTITUTION.c.name == name)).scalar()
    if row is not None:
        return int(row)
    known = (
        connection.execute(select(INSTITUTION.c.name).order_by(INSTITUTION.c.name).limit(20)).scalars().all()
    )
    hint = f"known here: {', '.join(known)}" if known else "the first ingest makes one"
    raise UsageError(f"no institution is called {name!r}", hint=hint, institution=name)


def store_institution(connection: Connection, record: InstitutionRecord) -> None:
    """Record an institution, or what is now known of it."""
    spec = record.spec
    values: dict[str, Any] = {
        "name": spec.name,
        "title": spec.title,
        "entity": spec.entity,
        "timezone": spec.timezone,
        "plan": spec.plan,
        "ae_titles": list(spec.ae_titles),
        "policies": list(spec.policies),
    }
    known = INSTITUTION.c.institution_id == record.institution_id
    if connection.execute(update(INSTITUTION).where(known).values(values)).rowcount:
        return
    values |= {"institution_id": record.institution_id, "sequence": record.sequence}
    connection.execute(insert(INSTITUTION).values(id=next_row(connection, INSTITUTION.c.id), **values))


def store_volume(connection: Connection, record: VolumeRecord) -> None:
    """Record a volume, or what now stands under its name (another place, another device)."""
    spec = record.spec
    values: dict[str, Any] = {
        "volume_id": record.volume_id,
        "url": spec.url,
        "site": spec.site,
        "domain": spec.domain,
        "device": record.device,
        "is_mount": record.is_mount,
        "state": record.state,
        "sequence": record.sequence,
    }
    if connection.execute(update(VOLUME).where(VOLUME.c.name == spec.name).values(values)).rowcount:
        return
    connection.execute(insert(VOLUME).values(id=next_row(connection, VOLUME.c.id), name=spec.name, **values))


def next_row(connection: Connection, column: ColumnElement[Any]) -> int:
    """Return the next free key of a table; rows are numbered by the one committer."""
    return int(connection.execute(select(func.max(column))).scalar() or 0) + 1


class PlaceRows:
    """The row numbers of institutions and volumes, looked up once in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._institutions: dict[str, int] = {}
        self._volumes: dict[str, int] = {}

    def institution(self, institution_id: InstitutionId) -> int:
        """Raises CatalogError if the catalog does not know it: the journal's entry about it was not applied."""
        if institution_id not in self._institutions:
            rows = self._connection.execute(select(INSTITUTION.c.institution_id, INSTITUTION.c.id))
            self._institutions = dict(rows.all())
        return self._found(self._institutions, "institution", institution_id)

    def volume(self, name: str | None) -> int | None:
        """Raises CatalogError if the catalog does not know it."""
        if name is None:
            return None
        if name not in self._volumes:
            self._volumes = dict(self._connection.execute(select(VOLUME.c.name, VOLUME.c.id)).all())
        return self._found(self._volumes, "volume", name)

    @staticmethod
    def _found(rows: dict[str, int], kind: str, name: str) -> int:
        try:
            return rows[name]
        except KeyError:
            hint = "run `retention catalog rebuild`"
            raise CatalogError(f"the catalog does not know the {kind} {name}", hint=hint) from None


def _institution(row: AnyRow) -> InstitutionRecord:
    spec = InstitutionSpec(
        name=row.name,
        title=row.title,
        entity=row.entity,
        timezone=row.timezone,
        ae_titles=tuple(row.ae_titles),
        policies=tuple(row.policies),
        plan=row.plan,
    )
    return InstitutionRecord(InstitutionId(row.institution_id), spec, row.sequence)


def _volume(row: AnyRow) -> VolumeRecord:
    spec = VolumeSpec(name=row.name, url=row.url, site=row.site, domain=row.domain)
    return VolumeRecord(spec, VolumeId(row.volume_id), row.device, row.is_mount, row.state, row.sequence)
