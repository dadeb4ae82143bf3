"""Policies in force: putting versions in force, and for whom each counted when.

The invariants: per kind and name one version is in force; an institution is bound by exactly the versions in force of
the names it lists; what ended stays known, because it goes on counting for the studies it counted for. Doing the same
twice changes nothing.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.places import PlaceRows
from retention.catalog.policy_records import (
    RETENTION_POLICY,
    STORAGE_PLAN,
    EnactmentRecord,
    ForceRecord,
    PolicyRecord,
)
from retention.catalog.policy_tables import ENACTMENT, FORCE, POLICY
from retention.catalog.staleness import mark_institution_stale
from retention.catalog.tables import INSTITUTION
from retention.model.identifiers import InstitutionId

_VERSION = (
    POLICY.c.digest,
    POLICY.c.kind,
    POLICY.c.name,
    POLICY.c.version,
    POLICY.c.document,
    POLICY.c.source,
)
_FORCE = select(
    *_VERSION, FORCE.c.sequence, FORCE.c.from_at, FORCE.c.until_at, FORCE.c.is_retired, FORCE.c.policy_row
).join(POLICY, POLICY.c.id == FORCE.c.policy_row)


class Policies:
    """What the catalog answers about policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def in_force(self) -> list[ForceRecord]:
        """Every version in force, by kind and name."""
        with self._database.read() as connection:
            return read_in_force(connection)

    def history(self, name: str | None = None) -> list[ForceRecord]:
        """Every version that was or is in force, oldest first; of one name, if given."""
        wanted = _FORCE if name is None else _FORCE.where(POLICY.c.name == name)
        with self._database.read() as connection:
            return [_force(row) for row in connection.execute(wanted.order_by(FORCE.c.id))]

    def enactments(self) -> dict[InstitutionId, list[EnactmentRecord]]:
        """What bound each institution: in the order it lists them, then what ended, newest first."""
        with self._database.read() as connection:
            return read_enactments(connection)


class PolicyWriting:
    """What one step of the committer may do to policies."""

    def __init__(self, connection: Connection, places: PlaceRows) -> None:
        self._connection = connection
        self._places = places

    def put_in_force(
        self, policy: PolicyRecord, *, effective_on: date | None, sequence: int, at: datetime, retires: bool
    ) -> None:
        """Make a version the one of its name. `retires`: an approved loosening ends the version before for everybody.

        What is decided of the studies of institutions that list it is stale then.
        """
        row = self._known(policy)
        before = self._in_force(policy.kind, policy.name)
        if before == row:
            return
        self._end(FORCE, before, at, retires=retires)
        values = {
            "policy_row": row,
            "sequence": sequence,
            "from_at": at,
            "until_at": None,
            "is_retired": False,
        }
        self._insert(FORCE, values)
        for institution in self._connection.execute(select(INSTITUTION)).all():
            if policy.kind == STORAGE_PLAN:
                is_bound = institution.plan == policy.name
            else:
                is_bound = policy.name in institution.policies
                if is_bound:
                    succeeded = {policy.name: effective_on}
                    self._enact(institution, at, retires=retires, succeeded=succeeded)
            if is_bound:
                mark_institution_stale(self._connection, institution.id)

    def list_for(self, institution_id: InstitutionId, at: datetime, *, retires: bool) -> None:
        """Bind an institution to the policies its row lists now. `retires`: an approved loosening took some away."""
        row = self._places.institution(institution_id)
        institution = self._connection.execute(select(INSTITUTION).where(INSTITUTION.c.id == row)).one()
        self._enact(institution, at, retires=retires, succeeded={})

    def _known(self, policy: PolicyRecord) -> int:
        found = self._connection.execute(select(POLICY.c.id).where(POLICY.c.digest == policy.digest)).scalar()
        if found is not None:
            return int(found)
        return self._insert(
            POLICY,
            {
                "digest": policy.digest,
                "kind": policy.kind,
                "name": policy.name,
                "version": policy.version,
                "document": policy.document,
                "source": policy.source,
            },
        )

    def _in_force(self, kind: str, name: str) -> int | None:
        wanted = (
            select(FORCE.c.policy_row)
            .join(POLICY, POLICY.c.id == FORCE.c.policy_row)
            .where(POLICY.c.kind == kind, POLICY.c.name == name, FORCE.c.until_at.is_(None))
        )
        row: int | None = self._connection.execute(wanted).scalar()
        return row

    def _enact(
        self, institution: AnyRow, at: datetime, *, retires: bool, succeeded: dict[str, date | None]
    ) -> None:
        wanted = {
            row: place
            for place, name in enumerate(institution.policies)
            if (row := self._in_force(RETENTION_POLICY, name)) is not None
        }
        open_now = (
            select(ENACTMENT.c.id, ENACTMENT.c.policy_row, POLICY.c.name)
            .join(POLICY, POLICY.c.id == ENACTMENT.c.policy_row)
            .where(ENACTMENT.c.institution_row == institution.id, ENACTMENT.c.until_at.is_(None))
        )
        for enactment, policy_row, name in self._connection.execute(open_now).all():
            place = wanted.pop(policy_row, None)
            values = (
                {"place": place}
                if place is not None
                else {"until_at": at, "is_retired": retires, "succeeded_on": succeeded.get(name)}
            )
            self._connection.execute(update(ENACTMENT).where(ENACTMENT.c.id == enactment).values(values))
        for policy_row, place in wanted.items():
            values = {
                "institution_row": institution.id,
                "policy_row": policy_row,
                "place": place,
                "from_at": at,
            }
            self._insert(ENACTMENT, values | {"until_at": None, "succeeded_on": None, "is_retired": False})

    def _end(self, table: Table, policy_row: int | None, at: datetime, *, retires: bool) -> None:
        if policy_row is not None:
            ending = update(table).where(table.c.policy_row == policy_row, table.c.until_at.is_(None))
            self._connection.execute(ending.values(until_at=at, is_retired=retires))

    def _insert(self, table: Table, values: dict[str, Any]) -> int:
        row = int(self._connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
        self._connection.execute(insert(table).values(id=row, **values))
        return row


def read_in_force(connection: Connection) -> list[ForceRecord]:
    """Return every version in force, by kind and name."""
    wanted = _FORCE.where(FORCE.c.until_at.is_(None)).order_by(POLICY.c.kind, POLICY.c.name)
    return [_force(row) for row in connection.execute(wanted)]


def read_enactments(connection: Connection) -> dict[InstitutionId, list[EnactmentRecord]]:
    """Return what bound each institution: in the order it lists them, then what ended, newest first."""
    wanted = (
        select(
            *_VERSION,
            INSTITUTION.c.institution_id,
            ENACTMENT.c.from_at,
            ENACTMENT.c.until_at,
            ENACTMENT.c.succeeded_on,
            ENACTMENT.c.is_retired,
        )
        .join(POLICY, POLICY.c.id == ENACTMENT.c.policy_row)
        .join(INSTITUTION, INSTITUTION.c.id == ENACTMENT.c.institution_row)
    )
    current = wanted.where(ENACTMENT.c.until_at.is_(None)).order_by(ENACTMENT.c.place)
    ended = wanted.where(ENACTMENT.c.until_at.is_not(None)).order_by(ENACTMENT.c.id.desc())
    found: dict[InstitutionId, list[EnactmentRecord]] = {}
    for row in (*connection.execute(current), *connection.execute(ended)):
        record = EnactmentRecord(_policy(row), row.from_at, row.until_at, row.succeeded_on, row.is_retired)
        found.setdefault(InstitutionId(row.institution_id), []).append(record)
    return found


def _force(row: AnyRow) -> ForceRecord:
    return ForceRecord(_policy(row), row.sequence, row.from_at, row.until_at, row.is_retired)


def _policy(row: AnyRow) -> PolicyRecord:
    return PolicyRecord(row.digest, row.kind, row.name, row.version, row.document, row.source)
