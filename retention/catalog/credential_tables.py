"""Credentials: API tokens and accounts, by which callers of the web door prove who they are.

The invariant: what a credential is and what it grants never change; its secret is kept as a hash alone. An account is
locked and unlocked and gets another password; a token is revoked once, for ever.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, LargeBinary, String, Table, Text

from retention.catalog.columns import Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column
from retention.catalog.guards import forward, frozen, kept, unreplaced


class CredentialRow(Base, table=True):
    """`grants` is JSON as text: the database compares it to keep it.

    `secret` is the hash, and null when the key of the entry that told it is gone: then nothing proves it.
    """

    __tablename__ = "credential"
    __table_args__ = (CheckConstraint("kind IN ('token', 'account')", name="kind"),)

    id: int = Field(sa_column=key_column())
    credential_id: str = Field(sa_column=Column("credential_id", String(32), unique=True, nullable=False))
    kind: str = Field(sa_column=Column("kind", String(16), nullable=False))
    name: str = Field(sa_column=Column("name", Text(), nullable=False))
    secret: bytes | None = Field(sa_column=Column("secret", LargeBinary()))
    grants: str = Field(sa_column=Column("grants", Text(), nullable=False))
    made_at: datetime = Field(sa_column=Column("made_at", Instant(), nullable=False))
    until_at: datetime | None = Field(sa_column=Column("until_at", Instant()))
    locked_at: datetime | None = Field(sa_column=Column("locked_at", Instant()))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))


CREDENTIAL: Table = METADATA.tables["credential"]

GUARDS = (
    frozen("credential", "id", "credential_id", "kind", "grants", "made_at", "until_at", "sequence"),
    forward(
        "credential",
        "forward",
        "OLD.kind = 'token' AND OLD.locked_at IS NOT NULL AND NEW.locked_at IS DISTINCT FROM OLD.locked_at",
        "a token is revoked once",
    ),
    kept("credential"),
    unreplaced("credential", ("id",), ("credential_id",)),
)
