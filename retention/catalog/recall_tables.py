"""Recalls: who asked for a study on a slow tier, why, and what became of it.

The invariants: who asked for what never changes once it is known, and a recall that ended stays ended.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, String, Table, Text, text

from retention.catalog.columns import ForeignText, Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, partial_index, refers_to
from retention.catalog.guards import forward, frozen, kept, unreplaced

OPEN = text("state IN ('requested', 'ready')")


class RecallRow(Base, table=True):
    """One request. `study_row` is null when nothing is known of the study any more; `moving_to` is the tier that the
    study goes to once it can be read, null when people asked."""

    __tablename__ = "recall"
    __table_args__ = (
        CheckConstraint("state IN ('requested', 'ready', 'expired', 'cancelled')", name="state"),
        partial_index("ix_recall_open", "id", where=OPEN),
        Index("ix_recall_study", "study_row", "id"),
    )

    id: int = Field(sa_column=key_column())
    recall_id: str = Field(sa_column=Column("recall_id", String(32), unique=True, nullable=False))
    study_row: int | None = Field(sa_column=refers_to("study_row", "study", nullable=True))
    urgency: str = Field(sa_column=Column("urgency", String(16), nullable=False))
    reason: str | None = Field(sa_column=Column("reason", ForeignText()))
    asked_by: str | None = Field(sa_column=Column("asked_by", Text()))
    moving_to: str | None = Field(sa_column=Column("moving_to", String(63)))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))
    requested_at: datetime = Field(sa_column=Column("requested_at", Instant(), nullable=False))
    state: str = Field(sa_column=Column("state", String(16), nullable=False))
    ready_at: datetime | None = Field(sa_column=Column("ready_at", Instant()))
    until_at: datetime | None = Field(sa_column=Column("until_at", Instant()))


RECALL: Table = METADATA.tables["recall"]

GUARDS = (
    frozen(
        "recall", "id", "recall_id", "urgency", "reason", "asked_by", "moving_to", "sequence", "requested_at"
    ),
    forward(
        "recall",
        "forward",
        "OLD.state IN ('expired', 'cancelled') AND NEW.state <> OLD.state",
        "a recall ends once",
    ),
    forward(
        "recall",
        "forgotten",
        "NEW.study_row IS NOT NULL AND NEW.study_row IS DISTINCT FROM OLD.study_row",
        "a recall is about one study, until that is destroyed",
    ),
    kept("recall"),
    unreplaced("recall", ("id",), ("recall_id",)),
)
