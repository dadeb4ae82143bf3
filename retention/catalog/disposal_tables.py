"""Disposals: what was proposed to be destroyed, what was, and the certificates that say so.

The invariant: a tombstone stays for ever, and only what has one is ever deleted from the holdings (guards of their
tables look here); it names a study by a keyed digest, never by what it was.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Date, Index, Integer, String, Table, Text

from retention.catalog.columns import Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, refers_to
from retention.catalog.guards import forward, frozen, kept, unreplaced


class ProposalRow(Base, table=True):
    """A proposal: what an analysis said. `studies`: keyed digest, outcome, why, last day, rule; `counts` by outcome."""

    __tablename__ = "proposal"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'executing', 'executed')", name="state"),
        Index("ix_proposal_institution", "institution_row", "id"),
    )

    id: int = Field(sa_column=key_column())
    proposal_id: str = Field(sa_column=Column("proposal_id", String(32), unique=True, nullable=False))
    institution_row: int = Field(sa_column=refers_to("institution_row", "institution"))
    for_on: date = Field(sa_column=Column("for_on", Date(), nullable=False))
    made_at: datetime = Field(sa_column=Column("made_at", Instant(), nullable=False))
    digest: str = Field(sa_column=Column("digest", String(64), nullable=False))
    counts: dict[str, Any] = Field(sa_column=Column("counts", JSON(), nullable=False))
    studies: list[Any] = Field(sa_column=Column("studies", JSON(), nullable=False))
    terms: dict[str, Any] = Field(sa_column=Column("terms", JSON(), nullable=False))
    state: str = Field(sa_column=Column("state", String(16), nullable=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))


class TombstoneRow(Base, table=True):
    """A study that was destroyed. `study_row` was its row; `sequence` is the entry that destroyed it; `patient_keys`
    are those destroyed with it, `[key, segment]` each."""

    __tablename__ = "tombstone"
    __table_args__ = (
        Index("ix_tombstone_study", "study", "id"),
        Index("ix_tombstone_study_row", "study_row"),
        Index("ix_tombstone_institution", "institution_row", "disposed_on"),
    )

    id: int = Field(sa_column=key_column())
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), unique=True, nullable=False))
    institution_row: int = Field(sa_column=refers_to("institution_row", "institution"))
    proposal_row: int = Field(sa_column=refers_to("proposal_row", "proposal"))
    study_row: int | None = Field(sa_column=Column("study_row", BigInteger()))
    study: str = Field(sa_column=Column("study", String(64), nullable=False))
    disposed_at: datetime = Field(sa_column=Column("disposed_at", Instant(), nullable=False))
    disposed_on: date = Field(sa_column=Column("disposed_on", Date(), nullable=False))
    rule: str = Field(sa_column=Column("rule", Text(), nullable=False))
    keep_until_on: date = Field(sa_column=Column("keep_until_on", Date(), nullable=False))
    decision: dict[str, Any] = Field(sa_column=Column("decision", JSON(), nullable=False))
    patient_keys: list[Any] = Field(sa_column=Column("patient_keys", JSON(), nullable=False))
    instances: int = Field(sa_column=Column("instances", BigInteger(), nullable=False))
    bytes_received: int = Field(sa_column=Column("bytes_received", BigInteger(), nullable=False))


class BuriedRow(Base, table=True):
    """A package that a destroyed study had, in any form. `remains`: shards not yet removed, `[volume, key]` each."""

    __tablename__ = "buried"
    __table_args__ = (Index("ix_buried_tombstone", "tombstone_row"),)

    id: int = Field(sa_column=key_column())
    package_id: str = Field(sa_column=Column("package_id", String(32), unique=True, nullable=False))
    tombstone_row: int = Field(sa_column=refers_to("tombstone_row", "tombstone"))
    key_id: str = Field(sa_column=Column("key_id", String(32), nullable=False))
    key_segment: int | None = Field(sa_column=Column("key_segment", Integer()))
    remains: list[Any] = Field(sa_column=Column("remains", JSON(), nullable=False))


class CertificateRow(Base, table=True):
    """The certificate of a disposal: `document` is its canonical JSON, as the journal's payload has it."""

    __tablename__ = "certificate"

    id: int = Field(sa_column=key_column())
    number: str = Field(sa_column=Column("number", String(64), unique=True, nullable=False))
    proposal_row: int = Field(sa_column=refers_to("proposal_row", "proposal"))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), unique=True, nullable=False))
    issued_at: datetime = Field(sa_column=Column("issued_at", Instant(), nullable=False))
    document: str = Field(sa_column=Column("document", Text(), nullable=False))


PROPOSAL: Table = METADATA.tables["proposal"]
TOMBSTONE: Table = METADATA.tables["tombstone"]
BURIED: Table = METADATA.tables["buried"]
CERTIFICATE: Table = METADATA.tables["certificate"]

GUARDS = (
    frozen("proposal", "id", "proposal_id", "institution_row", "for_on", "made_at", "digest", "sequence"),
    forward(
        "proposal",
        "forward",
        "OLD.state <> NEW.state AND NOT (OLD.state = 'proposed' AND NEW.state = 'executing')"
        " AND NOT (OLD.state = 'executing' AND NEW.state = 'executed')",
        "a proposal is executed once",
    ),
    kept("proposal"),
    unreplaced("proposal", ("id",), ("proposal_id",)),
    frozen(
        "tombstone", "id", "sequence", "institution_row", "proposal_row", "study_row", "study", "disposed_at",
        "disposed_on", "rule", "keep_until_on", "decision", "patient_keys", "instances", "bytes_received",
    ),
    kept("tombstone"),
    unreplaced("tombstone", ("id",), ("sequence",)),
    frozen("buried", "id", "package_id", "tombstone_row", "key_id"),
    kept("buried"),
    unreplaced("buried", ("id",), ("package_id",)),
    frozen("certificate", "id", "number", "proposal_row", "sequence", "issued_at", "document"),
    kept("certificate"),
    unreplaced("certificate", ("id",), ("number",), ("sequence",)),
)  # fmt: skip
