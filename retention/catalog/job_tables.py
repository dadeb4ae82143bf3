"""What runs by itself: jobs, their runs, and the leases under which they run.

A job's row says when it is due next and whether somebody has paused it. The invariants: a lease's token only grows, so
that whoever slept through the end of a lease can be told from who has it now; and a run that ended stays ended.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, CheckConstraint, Column, Index, Integer, String, Table, Text, text

from retention.catalog.columns import Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, partial_index
from retention.catalog.guards import forward, frozen, kept, unreplaced

RUNNING = text("ended_at IS NULL")


class JobRow(Base, table=True):
    """A job that was planned or paused. `due_at` is null when it has to be planned anew."""

    __tablename__ = "job"

    name: str = Field(sa_column=Column("name", String(32), primary_key=True))
    due_at: datetime | None = Field(sa_column=Column("due_at", Instant()))
    paused_at: datetime | None = Field(sa_column=Column("paused_at", Instant()))
    paused_until_at: datetime | None = Field(sa_column=Column("paused_until_at", Instant()))
    paused_by: str | None = Field(sa_column=Column("paused_by", Text()))
    reason: str | None = Field(sa_column=Column("reason", Text()))


class JobRunRow(Base, table=True):
    """One run. `due_at` is null for one that somebody asked for; `missed` counts the times that passed before it."""

    __tablename__ = "job_run"
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('running', 'done', 'failed', 'interrupted', 'hung')",
            name="outcome",
        ),
        Index("ix_job_run_job", "job", "id"),
        partial_index("ix_job_run_running", "job", where=RUNNING),
    )

    id: int = Field(sa_column=key_column())
    job: str = Field(sa_column=Column("job", String(32), nullable=False))
    token: int = Field(sa_column=Column("token", Integer(), nullable=False))
    due_at: datetime | None = Field(sa_column=Column("due_at", Instant()))
    started_at: datetime = Field(sa_column=Column("started_at", Instant(), nullable=False))
    ended_at: datetime | None = Field(sa_column=Column("ended_at", Instant()))
    outcome: str = Field(sa_column=Column("outcome", String(16), nullable=False))
    numbers: dict[str, Any] = Field(sa_column=Column("numbers", JSON(), nullable=False))
    detail: str | None = Field(sa_column=Column("detail", Text()))
    missed: int = Field(sa_column=Column("missed", Integer(), nullable=False))
    is_left: bool = Field(sa_column=Column("is_left", Boolean(), nullable=False))
    has_findings: bool = Field(sa_column=Column("has_findings", Boolean(), nullable=False))


class LeaseRow(Base, table=True):
    """Who may do something, until when. `token` counts how often it changed hands."""

    __tablename__ = "lease"

    name: str = Field(sa_column=Column("name", String(63), primary_key=True))
    holder: str = Field(sa_column=Column("holder", Text(), nullable=False))
    token: int = Field(sa_column=Column("token", Integer(), nullable=False))
    until_at: datetime = Field(sa_column=Column("until_at", Instant(), nullable=False))


JOB: Table = METADATA.tables["job"]
JOB_RUN: Table = METADATA.tables["job_run"]
LEASE: Table = METADATA.tables["lease"]

GUARDS = (
    frozen("job", "name"),
    frozen("job_run", "id", "job", "token", "due_at", "started_at", "missed"),
    forward("job_run", "forward", "OLD.ended_at IS NOT NULL", "a run that ended stays as it ended"),
    frozen("lease", "name"),
    forward(
        "lease",
        "forward",
        "NEW.token < OLD.token OR (NEW.token = OLD.token AND NEW.holder <> OLD.holder)",
        "a lease changes hands with a new token",
    ),
    kept("lease"),
    unreplaced("lease", ("name",)),
)
