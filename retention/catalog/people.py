"""The registry of people: reading it, and what one step of the committer may do to it.

The invariant: doing the same twice changes nothing, so a replay arrives where the archive was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from retention.catalog.columns import AnyRow, storable
from retention.catalog.database import Database
from retention.catalog.people_tables import PERSON, ROLE
from retention.catalog.places import PlaceRows, next_row
from retention.catalog.tables import INSTITUTION
from retention.model.identifiers import InstitutionId

RoleAt = tuple[InstitutionId | None, str]
"""A role and where it counts: at an institution, or (None) in the whole archive."""


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person as registered. `person_id` is a keyed digest of the name; `public_key` 32 bytes, None without one."""

    person_id: str
    name: str
    email: str | None
    public_key: bytes | None
    institutions: tuple[InstitutionId, ...]
    added_at: datetime
    sequence: int
    roles: tuple[RoleAt, ...] = ()

    def roles_at(self, institution: InstitutionId | None) -> frozenset[str]:
        """Return the roles that count at an institution: its own and those of the whole archive."""
        return frozenset(role for where, role in self.roles if where is None or where == institution)


class People:
    """What the catalog answers about people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self) -> int:
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(PERSON)).scalar() or 0)

    def all(self) -> list[PersonRecord]:
        """Everybody, in order of registration."""
        with self._database.read() as connection:
            return _read(connection, connection.execute(select(PERSON).order_by(PERSON.c.id)).all())

    def get(self, person_id: str) -> PersonRecord | None:
        with self._database.read() as connection:
            rows = connection.execute(select(PERSON).where(PERSON.c.person_id == person_id)).all()
            return next(iter(_read(connection, rows)), None)


class PeopleWriting:
    """What one step of the committer may do to people."""

    def __init__(self, connection: Connection, places: PlaceRows) -> None:
        self._connection = connection
        self._places = places

    def register(self, record: PersonRecord) -> None:
        """Register a person with his or her roles; one that is known changes nothing."""
        if self._row(record.person_id) is not None:
            return
        row = next_row(self._connection, PERSON.c.id)
        self._connection.execute(
            insert(PERSON).values(
                id=row,
                person_id=record.person_id,
                name=storable(record.name),
                email=None if record.email is None else storable(record.email),
                public_key=record.public_key,
                institutions=list(record.institutions),
                added_at=record.added_at,
                sequence=record.sequence,
            )
        )
        self.change_roles(record.person_id, record.roles, ())

    def set_key(self, person_id: str, public_key: bytes | None) -> None:
        """Let a person sign with another key from now on; None when the entry's own key is gone."""
        self._connection.execute(
            update(PERSON).where(PERSON.c.person_id == person_id).values(public_key=public_key)
        )

    def change_roles(self, person_id: str, added: Iterable[RoleAt], removed: Iterable[RoleAt]) -> None:
        """Give and take roles. Raises ValueError for a person who is not registered."""
        row = self._row(person_id)
        if row is None:
            raise ValueError(f"person {person_id} is not registered")
        for institution, role in removed:
            taken = update(ROLE).where(*self._is(row, institution, role)).values(is_held=False)
            self._connection.execute(taken)
        for institution, role in added:
            known = update(ROLE).where(*self._is(row, institution, role)).values(is_held=True)
            if not self._connection.execute(known).rowcount:
                place = self._place(institution)
                values = {"person_row": row, "institution_row": place, "role": role, "is_held": True}
                key = next_row(self._connection, ROLE.c.id)
                self._connection.execute(insert(ROLE).values(id=key, **values))

    def _is(self, row: int, institution: InstitutionId | None, role: str) -> tuple[ColumnElement[bool], ...]:
        place = self._place(institution)
        where = ROLE.c.institution_row.is_(None) if place is None else ROLE.c.institution_row == place
        return ROLE.c.person_row == row, ROLE.c.role == role, where

    def _place(self, institution: InstitutionId | None) -> int | None:
        return None if institution is None else self._places.institution(institution)

    def _row(self, person_id: str) -> int | None:
        row: int | None = self._connection.execute(
            select(PERSON.c.id).where(PERSON.c.person_id == person_id)
        ).scalar()
        return row


def _read(connection: Connection, rows: Sequence[AnyRow]) -> list[PersonRecord]:
    wanted = (
        select(ROLE.c.person_row, INSTITUTION.c.institution_id, ROLE.c.role)
        .join(INSTITUTION, INSTITUTION.c.id == ROLE.c.institution_row, isouter=True)
        .where(ROLE.c.person_row.in_([row.id for row in rows]), ROLE.c.is_held)
    )
    roles: dict[int, list[RoleAt]] = {}
    for person, institution, role in connection.execute(wanted):
        roles.setdefault(person, []).append((institution, role))
    return [
        PersonRecord(
            row.person_id,
            row.name,
            row.email,
            row.public_key,
            tuple(InstitutionId(each) for each in row.institutions),
            row.added_at,
            row.sequence,
            tuple(sorted(roles.get(row.id, []), key=lambda each: (each[0] or "", each[1]))),
        )
        for row in rows
    ]
