"""Policies and plans in force: every version there ever was, and for whom it counted from when to when.

The invariants: a version never changes once it is known, and what was in force stays told: a row of the history only
ever gets its end.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Date, Integer, String, Table, Text, text

from retention.catalog.columns import Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, partial_index, refers_to
from retention.catalog.guards import forward, frozen, kept, unreplaced

IN_FORCE = text("until_at IS NULL")


class PolicyRow(Base, table=True):
    """One version of a retention policy or storage plan: `digest` is over `document`, what `source` says."""

    __tablename__ = "policy"
    __table_args__ = (CheckConstraint("kind IN ('RetentionPolicy', 'StoragePlan')", name="kind"),)

    id: int = Field(sa_column=key_column())
    digest: str = Field(sa_column=Column("digest", String(64), unique=True, nullable=False))
    kind: str = Field(sa_column=Column("kind", String(16), nullable=False))
    name: str = Field(sa_column=Column("name", String(63), nullable=False))
    version: int = Field(sa_column=Column("version", Integer(), nullable=False))
    document: str = Field(sa_column=Column("document", Text(), nullable=False))
    source: str = Field(sa_column=Column("source", Text(), nullable=False))


class ForceRow(Base, table=True):
    """A time during which a version was the one of its name."""

    __tablename__ = "policy_force"
    __table_args__ = (partial_index("ix_policy_force_open", "id", where=IN_FORCE),)

    id: int = Field(sa_column=key_column())
    policy_row: int = Field(sa_column=refers_to("policy_row", "policy"))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))
    from_at: datetime = Field(sa_column=Column("from_at", Instant(), nullable=False))
    until_at: datetime | None = Field(sa_column=Column("until_at", Instant()))
    is_retired: bool = Field(sa_column=Column("is_retired", Boolean(), nullable=False))


class EnactmentRow(Base, table=True):
    """A time during which a version bound an institution.

    `place` is where the institution lists it. `succeeded_on`: the day from which the version that replaced it is
    effective; `is_retired`: an approved loosening ended it, also for the studies it had counted for.
    """

    __tablename__ = "enactment"
    __table_args__ = (partial_index("ix_enactment_open", "institution_row", where=IN_FORCE),)

    id: int = Field(sa_column=key_column())
    institution_row: int = Field(sa_column=refers_to("institution_row", "institution"))
    policy_row: int = Field(sa_column=refers_to("policy_row", "policy"))
    place: int = Field(sa_column=Column("place", Integer(), nullable=False))
    from_at: datetime = Field(sa_column=Column("from_at", Instant(), nullable=False))
    until_at: datetime | None = Field(sa_column=Column("until_at", Instant()))
    succeeded_on: date | None = Field(sa_column=Column("succeeded_on", Date()))
    is_retired: bool = Field(sa_column=Column("is_retired", Boolean(), nullable=False))


POLICY: Table = METADATA.tables["policy"]
FORCE: Table = METADATA.tables["policy_force"]
ENACTMENT: Table = METADATA.tables["enactment"]

GUARDS = (
    frozen("policy", "id", "digest", "kind", "name", "version", "document", "source"),
    kept("policy"),
    unreplaced("policy", ("id",), ("digest",)),
    frozen("policy_force", "id", "policy_row", "sequence", "from_at"),
    forward(
        "policy_force",
        "forward",
        "OLD.until_at IS NOT NULL AND NEW.until_at IS DISTINCT FROM OLD.until_at",
        "what was in force ended once",
    ),
    kept("policy_force"),
    unreplaced("policy_force", ("id",)),
    frozen("enactment", "id", "institution_row", "policy_row", "from_at"),
    forward(
        "enactment",
        "forward",
        "OLD.until_at IS NOT NULL AND NEW.until_at IS DISTINCT FROM OLD.until_at",
        "what was in force ended once",
    ),
    kept("enactment"),
    unreplaced("enactment", ("id",)),
)
