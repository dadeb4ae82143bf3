"""People: who may act, with which key, in which roles.

The invariant: who a person is never changes and is never forgotten; a key or a role may be taken away.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, LargeBinary, String, Table, Text

from retention.catalog.columns import Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, refers_to
from retention.catalog.guards import frozen, kept, unreplaced


class PersonRow(Base, table=True):
    """`name` is empty when the key of the entry that told it is gone."""

    __tablename__ = "person"

    id: int = Field(sa_column=key_column())
    person_id: str = Field(sa_column=Column("person_id", String(32), unique=True, nullable=False))
    name: str = Field(sa_column=Column("name", Text(), nullable=False))
    email: str | None = Field(sa_column=Column("email", Text()))
    public_key: bytes | None = Field(sa_column=Column("public_key", LargeBinary()))
    institutions: list[str] = Field(sa_column=Column("institutions", JSON(), nullable=False))
    added_at: datetime = Field(sa_column=Column("added_at", Instant(), nullable=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))


class RoleRow(Base, table=True):
    """A role that a person has or had, at an institution or (null) in the whole archive."""

    __tablename__ = "person_role"
    __table_args__ = (Index("ix_person_role", "person_row", "role"),)

    id: int = Field(sa_column=key_column())
    person_row: int = Field(sa_column=refers_to("person_row", "person"))
    institution_row: int | None = Field(sa_column=refers_to("institution_row", "institution", nullable=True))
    role: str = Field(sa_column=Column("role", String(63), nullable=False))
    is_held: bool = Field(sa_column=Column("is_held", Boolean(), nullable=False))


PERSON: Table = METADATA.tables["person"]
ROLE: Table = METADATA.tables["person_role"]

GUARDS = (
    frozen("person", "id", "person_id", "added_at", "sequence"),
    kept("person"),
    unreplaced("person", ("id",), ("person_id",)),
    frozen("person_role", "id", "person_row", "institution_row", "role"),
    kept("person_role"),
    unreplaced("person_role", ("id",)),
)
