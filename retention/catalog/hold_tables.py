"""Legal holds: cases that keep studies, whatever any policy says.

The invariant: what a hold covers and who placed it never change; a hold that was released stays known as long as its
key is, which goes with the last study that it covered.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Integer, String, Table, Text, text

from retention.catalog.columns import ForeignText, Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, partial_index, refers_to
from retention.catalog.guards import forward, frozen, kept, unreplaced

STANDING = text("released_at IS NULL")


class HoldRow(Base, table=True):
    """A hold on a study, a patient (with whoever he or she is known to be), or what a query covers."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("scope IN ('study', 'patient', 'query')", name="scope"),
        partial_index("ix_hold_standing", "id", where=STANDING),
    )

    id: int = Field(sa_column=key_column())
    hold_id: str = Field(sa_column=Column("hold_id", String(32), unique=True, nullable=False))
    institution_row: int = Field(sa_column=refers_to("institution_row", "institution"))
    scope: str = Field(sa_column=Column("scope", String(16), nullable=False))
    study_uid: str | None = Field(sa_column=Column("study_uid", String(64)))
    patient_id: str | None = Field(sa_column=Column("patient_id", ForeignText()))
    issuer: str | None = Field(sa_column=Column("issuer", ForeignText()))
    query: str | None = Field(sa_column=Column("query", Text()))
    owner: str = Field(sa_column=Column("owner", Text(), nullable=False))
    reason: str = Field(sa_column=Column("reason", Text(), nullable=False))
    reassess_on: date = Field(sa_column=Column("reassess_on", Date(), nullable=False))
    placed_by: str | None = Field(sa_column=Column("placed_by", String(32)))
    placed_at: datetime = Field(sa_column=Column("placed_at", Instant(), nullable=False))
    released_at: datetime | None = Field(sa_column=Column("released_at", Instant()))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))
    key_id: str | None = Field(sa_column=Column("key_id", String(32)))
    key_segment: int | None = Field(sa_column=Column("key_segment", Integer()))


HOLD: Table = METADATA.tables["hold"]

GUARDS = (
    frozen(
        "hold", "id", "hold_id", "institution_row", "scope", "study_uid", "patient_id", "issuer",
        "query", "placed_by", "placed_at", "sequence", "key_id", "key_segment",
    ),
    forward(
        "hold",
        "forward",
        "OLD.released_at IS NOT NULL AND NEW.released_at IS DISTINCT FROM OLD.released_at",
        "a hold is released once",
    ),
    kept("hold", "OLD.released_at IS NULL OR OLD.key_id IS NULL"),
    unreplaced("hold", ("id",), ("hold_id",)),
)  # fmt: skip
