"""API tokens and accounts: reading them, and what one step of the committer may do to them.

The invariant: doing the same twice changes nothing, so a replay arrives where the archive was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update

from retention.catalog.columns import AnyRow, storable
from retention.catalog.credential_tables import CREDENTIAL
from retention.catalog.database import Database
from retention.catalog.people import RoleAt
from retention.catalog.places import next_row
from retention.model.identifiers import InstitutionId


class CredentialKind(StrEnum):
    TOKEN = "token"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """A token or an account. `secret` is a hash: SHA-256 of a token, Argon2's own text of a password.

    An account without grants has the roles of the registered person of its name.
    """

    credential_id: str
    kind: CredentialKind
    name: str
    secret: bytes | None
    grants: tuple[RoleAt, ...]
    made_at: datetime
    until_at: datetime | None
    locked_at: datetime | None
    sequence: int


class Credentials:
    """What the catalog answers about credentials."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self) -> int:
        """How many there ever were, locked and revoked ones too."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(CREDENTIAL)).scalar() or 0)

    def all(self, kind: CredentialKind) -> list[CredentialRecord]:
        """All of a kind, oldest first."""
        wanted = select(CREDENTIAL).where(CREDENTIAL.c.kind == kind.value).order_by(CREDENTIAL.c.id)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(wanted)]

    def get(self, kind: CredentialKind, credential_id: str) -> CredentialRecord | None:
        wanted = select(CREDENTIAL).where(
            CREDENTIAL.c.credential_id == credential_id, CREDENTIAL.c.kind == kind.value
        )
        with self._database.read() as connection:
            return next((_record(row) for row in connection.execute(wanted)), None)


class CredentialWriting:
    """What one step of the committer may do to credentials."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, record: CredentialRecord) -> None:
        """Add one; one that is known changes nothing."""
        known = select(CREDENTIAL.c.id).where(CREDENTIAL.c.credential_id == record.credential_id)
        if self._connection.execute(known).scalar() is not None:
            return
        self._connection.execute(
            insert(CREDENTIAL).values(
                id=next_row(self._connection, CREDENTIAL.c.id),
                credential_id=record.credential_id,
                kind=record.kind.value,
                name=storable(record.name),
                secret=record.secret,
                grants=json.dumps(record.grants),
                made_at=record.made_at,
                until_at=record.until_at,
                locked_at=record.locked_at,
                sequence=record.sequence,
            )
        )

    def set_secret(self, credential_id: str, secret: bytes | None) -> None:
        """Let another secret prove it from now on; None when the entry's own key is gone."""
        self._set(credential_id, secret=secret)

    def lock(self, credential_id: str, at: datetime | None) -> None:
        """Let nothing prove it any more, or (None) let it be proven again."""
        self._set(credential_id, locked_at=at)

    def _set(self, credential_id: str, **values: bytes | datetime | None) -> None:
        changed = update(CREDENTIAL).where(CREDENTIAL.c.credential_id == credential_id).values(**values)
        if not self._connection.execute(changed).rowcount:
            raise ValueError(f"credential {credential_id} is not known")


def _record(row: AnyRow) -> CredentialRecord:
    return CredentialRecord(
        row.credential_id,
        CredentialKind(row.kind),
        row.name,
        row.secret,
        tuple(
            (None if place is None else InstitutionId(place), role) for place, role in json.loads(row.grants)
        ),
        row.made_at,
        row.until_at,
        row.locked_at,
        row.sequence,
    )
