"""Patients, the facts recorded about them, and which patient a study belongs to.

The invariants: a fact, once recorded, keeps what it says, who said it and when; only its state changes, and never
back. It goes when its patient's key is destroyed, and with it everything else about that patient. A patient that was
merged into another has that one as its root; whose studies and facts they are is told by roots alone.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from retention.catalog.columns import ForeignText, Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, partial_index, refers_to
from retention.catalog.guards import forward, frozen, unreplaced

KEYED = text("key_id IS NOT NULL")
PENDING = text("state = 'pending'")
STATES = "state IN ('standing', 'superseded', 'pending', 'rejected')"


class PatientRow(Base, table=True):
    """A patient of an institution: as a study's header names one (no issuer is an empty one), or a fact does.

    `key_id` is the key of everything the journal says about this patient, since there is something.
    """

    __tablename__ = "patient"
    __table_args__ = (
        UniqueConstraint("patient_id", "issuer", "institution_row"),
        Index("ix_patient_root", "root_row"),
        partial_index("ix_patient_key", "key_id", where=KEYED),
    )

    id: int = Field(sa_column=key_column())
    institution_row: int = Field(sa_column=refers_to("institution_row", "institution"))
    patient_id: str = Field(sa_column=Column("patient_id", ForeignText(), nullable=False))
    issuer: str = Field(sa_column=Column("issuer", ForeignText(), nullable=False))
    root_row: int = Field(sa_column=refers_to("root_row", "patient"))
    merged_row: int | None = Field(sa_column=refers_to("merged_row", "patient", nullable=True))
    key_id: str | None = Field(sa_column=Column("key_id", String(32)))
    key_segment: int | None = Field(sa_column=Column("key_segment", Integer()))


class FactRow(Base, table=True):
    """A statement about a patient. `supersedes` are the records it takes the place of; one that `withdraws` says only
    that those no longer hold. `batch_id`: what was recorded, and is approved, together."""

    __tablename__ = "fact"
    __table_args__ = (
        CheckConstraint(STATES, name="state"),
        CheckConstraint("assurance IN ('declared', 'verified')", name="assurance"),
        Index("ix_fact_patient", "patient_row", "id"),
        Index("ix_fact_batch", "batch_id", "id"),
        partial_index("ix_fact_pending", "id", where=PENDING),
    )

    id: int = Field(sa_column=key_column())
    record_id: str = Field(sa_column=Column("record_id", String(32), unique=True, nullable=False))
    batch_id: str = Field(sa_column=Column("batch_id", String(32), nullable=False))
    patient_row: int = Field(sa_column=refers_to("patient_row", "patient"))
    kind: str = Field(sa_column=Column("kind", String(63), nullable=False))
    from_on: date | None = Field(sa_column=Column("from_on", Date()))
    to_on: date | None = Field(sa_column=Column("to_on", Date()))
    source: str = Field(sa_column=Column("source", ForeignText(), nullable=False))
    assurance: str = Field(sa_column=Column("assurance", String(16), nullable=False))
    withdraws: bool = Field(sa_column=Column("withdraws", Boolean(), nullable=False))
    supersedes: list[str] = Field(sa_column=Column("supersedes", JSON(), nullable=False))
    state: str = Field(sa_column=Column("state", String(16), nullable=False))
    needs_approval: bool = Field(sa_column=Column("needs_approval", Boolean(), nullable=False))
    recorded_by: str = Field(sa_column=Column("recorded_by", Text(), nullable=False))
    recorded_at: datetime = Field(sa_column=Column("recorded_at", Instant(), nullable=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))
    decided_by: str | None = Field(sa_column=Column("decided_by", Text()))
    decided_at: datetime | None = Field(sa_column=Column("decided_at", Instant()))


class AttributionRow(Base, table=True):
    """A fact about identity: a study belongs to `patient_row`; or that patient is the same as `into_row` (a merge),
    or is not after all (a split)."""

    __tablename__ = "attribution"
    __table_args__ = (
        CheckConstraint(STATES, name="state"),
        CheckConstraint("what IN ('study', 'merge', 'split')", name="what"),
        CheckConstraint("(what = 'study') = (study_row IS NOT NULL)", name="study"),
        CheckConstraint("(what = 'merge') = (into_row IS NOT NULL)", name="into"),
        Index("ix_attribution_patient", "patient_row", "id"),
        Index("ix_attribution_study", "study_row", "id"),
        Index("ix_attribution_batch", "batch_id", "id"),
        partial_index("ix_attribution_pending", "id", where=PENDING),
    )

    id: int = Field(sa_column=key_column())
    record_id: str = Field(sa_column=Column("record_id", String(32), unique=True, nullable=False))
    batch_id: str = Field(sa_column=Column("batch_id", String(32), nullable=False))
    what: str = Field(sa_column=Column("what", String(16), nullable=False))
    study_row: int | None = Field(sa_column=refers_to("study_row", "study", nullable=True))
    patient_row: int = Field(sa_column=refers_to("patient_row", "patient"))
    into_row: int | None = Field(sa_column=refers_to("into_row", "patient", nullable=True))
    source: str = Field(sa_column=Column("source", ForeignText(), nullable=False))
    state: str = Field(sa_column=Column("state", String(16), nullable=False))
    needs_approval: bool = Field(sa_column=Column("needs_approval", Boolean(), nullable=False))
    recorded_by: str = Field(sa_column=Column("recorded_by", Text(), nullable=False))
    recorded_at: datetime = Field(sa_column=Column("recorded_at", Instant(), nullable=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))
    decided_by: str | None = Field(sa_column=Column("decided_by", Text()))
    decided_at: datetime | None = Field(sa_column=Column("decided_at", Instant()))


class MessageRow(Base, table=True):
    """A message of the hospital's own system that was read already, by a keyed digest of its sender and number."""

    __tablename__ = "message"
    __table_args__ = ({"sqlite_with_rowid": False},)

    institution_row: int = Field(sa_column=refers_to("institution_row", "institution", primary_key=True))
    digest: bytes = Field(sa_column=Column("digest", LargeBinary(), primary_key=True))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))


PATIENT: Table = METADATA.tables["patient"]
FACT: Table = METADATA.tables["fact"]
ATTRIBUTION: Table = METADATA.tables["attribution"]
MESSAGE: Table = METADATA.tables["message"]

_DECIDED = (
    "(OLD.state <> 'pending' AND NEW.state IN ('pending', 'rejected') AND NEW.state <> OLD.state)"
    " OR (OLD.state IN ('superseded', 'rejected') AND NEW.state <> OLD.state)"
)

GUARDS = (
    frozen("patient", "id", "institution_row", "patient_id", "issuer"),
    unreplaced("patient", ("id",), ("patient_id", "issuer", "institution_row")),
    frozen(
        "fact", "id", "record_id", "batch_id", "patient_row", "kind", "from_on", "to_on", "source", "assurance",
        "withdraws", "needs_approval", "recorded_by", "recorded_at", "sequence",
    ),
    forward("fact", "forward", _DECIDED, "a fact is decided upon once and superseded once"),
    unreplaced("fact", ("id",), ("record_id",)),
    frozen(
        "attribution", "id", "record_id", "batch_id", "what", "study_row", "patient_row", "into_row", "source",
        "needs_approval", "recorded_by", "recorded_at", "sequence",
    ),
    forward("attribution", "forward", _DECIDED, "an attribution is decided upon once and superseded once"),
    unreplaced("attribution", ("id",), ("record_id",)),
)  # fmt: skip
