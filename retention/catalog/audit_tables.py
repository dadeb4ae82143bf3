"""Audits: what each of their journal entries came to, what a day's results are committed by, which samples are drawn.

The invariant: what an entry said is never changed here; a round's sample never gets another seed.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, Integer, LargeBinary, String, Table

from retention.catalog.columns import Instant
from retention.catalog.declaring import METADATA, Base, Field
from retention.catalog.guards import frozen, kept, unreplaced


class AuditRunRow(Base, table=True):
    """One `audit.run` entry. `flawed`: shards that are not as they must be, and were not made again."""

    __tablename__ = "audit_run"
    __table_args__ = (Index("ix_audit_run_at", "at", "sequence"),)

    sequence: int = Field(
        sa_column=Column("sequence", BigInteger(), primary_key=True, autoincrement=False, nullable=False)
    )
    at: datetime = Field(sa_column=Column("at", Instant(), nullable=False))
    mode: str = Field(sa_column=Column("mode", String(80), nullable=False))
    packages: int = Field(sa_column=Column("packages", BigInteger(), nullable=False))
    shards: int = Field(sa_column=Column("shards", BigInteger(), nullable=False))
    bytes_read: int = Field(sa_column=Column("bytes_read", BigInteger(), nullable=False))
    milliseconds: int = Field(sa_column=Column("milliseconds", BigInteger(), nullable=False))
    flawed: int = Field(sa_column=Column("flawed", BigInteger(), nullable=False))
    findings: int = Field(sa_column=Column("findings", BigInteger(), nullable=False))
    lost: int = Field(sa_column=Column("lost", BigInteger(), nullable=False))


class AuditDayRow(Base, table=True):
    """What the journal says all results of a day (UTC) are."""

    __tablename__ = "audit_day"

    day: date = Field(sa_column=Column("day", Date(), primary_key=True, nullable=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))
    results: int = Field(sa_column=Column("results", BigInteger(), nullable=False))
    bytes_read: int = Field(sa_column=Column("bytes_read", BigInteger(), nullable=False))
    digest: bytes = Field(sa_column=Column("digest", LargeBinary(), nullable=False))


class AuditSampleRow(Base, table=True):
    """The random sample of a round over a tier: `packages` draws that fit, among the first `among` packages."""

    __tablename__ = "audit_sample"
    __table_args__ = (CheckConstraint("packages >= 0 AND among >= 0", name="size"),)

    tier: str = Field(sa_column=Column("tier", String(63), primary_key=True, nullable=False))
    round: int = Field(sa_column=Column("round", Integer(), primary_key=True, autoincrement=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))
    began_at: datetime = Field(sa_column=Column("began_at", Instant(), nullable=False))
    seed: bytes = Field(sa_column=Column("seed", LargeBinary(), nullable=False))
    packages: int = Field(sa_column=Column("packages", BigInteger(), nullable=False))
    among: int = Field(sa_column=Column("among", BigInteger(), nullable=False))


AUDIT_RUN: Table = METADATA.tables["audit_run"]
AUDIT_DAY: Table = METADATA.tables["audit_day"]
AUDIT_SAMPLE: Table = METADATA.tables["audit_sample"]

GUARDS = (
    frozen(
        "audit_run", "sequence", "at", "mode", "packages", "shards", "bytes_read", "milliseconds", "flawed",
        "findings", "lost",
    ),
    kept("audit_run"),
    unreplaced("audit_run", ("sequence",)),
    frozen("audit_day", "day", "sequence", "results", "bytes_read", "digest"),
    kept("audit_day"),
    unreplaced("audit_day", ("day",)),
    frozen("audit_sample", "tier", "round", "sequence", "began_at", "seed", "packages", "among"),
    kept("audit_sample"),
    unreplaced("audit_sample", ("tier", "round")),
)  # fmt: skip
