"""Instances that are hidden from ordinary reading, and which rejection note said so. Nothing here removes anything."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table

from retention.catalog.declaring import METADATA, Base, Field, refers_to
from retention.catalog.guards import frozen, kept, unreplaced


class HiddenRow(Base, table=True):
    """An instance, by its keyed digest; `study` is that of its study. `code` says why (CID 7010)."""

    __tablename__ = "hidden"
    __table_args__ = ({"sqlite_with_rowid": False},)

    institution_row: int = Field(sa_column=refers_to("institution_row", "institution", primary_key=True))
    study: bytes = Field(sa_column=Column("study", LargeBinary(), primary_key=True))
    digest: bytes = Field(sa_column=Column("digest", LargeBinary(), primary_key=True))
    code: str = Field(sa_column=Column("code", String(16), nullable=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))


HIDDEN: Table = METADATA.tables["hidden"]

GUARDS = (
    frozen("hidden", "institution_row", "study", "digest", "code", "sequence"),
    kept("hidden"),
    unreplaced("hidden", ("institution_row", "study", "digest")),
)
