"""Approvals: what somebody asked others to agree to, and who has agreed.

The invariant: what is asked for never changes, a signature that was given stays, and a request is closed once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Index, String, Table, Text, text

from retention.catalog.columns import Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, partial_index, refers_to
from retention.catalog.guards import forward, frozen, kept, unreplaced

PENDING = text("state = 'pending'")


class RequestRow(Base, table=True):
    """A request. `approvers` are those to sign, in order; `excluded` people who may not, beside who asked."""

    __tablename__ = "approval_request"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'approved', 'rejected')", name="state"),
        partial_index("ix_approval_pending", "id", where=PENDING),
        Index("ix_approval_subject", "kind", "subject"),
    )

    id: int = Field(sa_column=key_column())
    request_id: str = Field(sa_column=Column("request_id", String(32), unique=True, nullable=False))
    kind: str = Field(sa_column=Column("kind", String(32), nullable=False))
    institution_row: int | None = Field(sa_column=refers_to("institution_row", "institution", nullable=True))
    subject: str = Field(sa_column=Column("subject", String(64), nullable=False))
    digest: str = Field(sa_column=Column("digest", String(64), nullable=False))
    approvers: list[Any] = Field(sa_column=Column("approvers", JSON(), nullable=False))
    asked_by: str | None = Field(sa_column=Column("asked_by", String(32)))
    excluded: list[str] = Field(sa_column=Column("excluded", JSON(), nullable=False))
    asked_at: datetime = Field(sa_column=Column("asked_at", Instant(), nullable=False))
    summary: str = Field(sa_column=Column("summary", Text(), nullable=False))
    body: dict[str, Any] = Field(sa_column=Column("body", JSON(), nullable=False))
    state: str = Field(sa_column=Column("state", String(16), nullable=False))
    reason: str | None = Field(sa_column=Column("reason", Text()))
    closed_at: datetime | None = Field(sa_column=Column("closed_at", Instant()))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))


class GivenRow(Base, table=True):
    """One signature under a request, by the journal entry (`sequence`) that has it."""

    __tablename__ = "approval_given"
    __table_args__ = (Index("ix_approval_given", "request_row", "id"),)

    id: int = Field(sa_column=key_column())
    request_row: int = Field(sa_column=refers_to("request_row", "approval_request"))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), unique=True, nullable=False))
    approver: str = Field(sa_column=Column("approver", String(64), nullable=False))
    visa: dict[str, Any] | None = Field(sa_column=Column("visa", JSON()))
    person: str = Field(sa_column=Column("person", String(32), nullable=False))
    method: str = Field(sa_column=Column("method", String(16), nullable=False))
    given_at: datetime = Field(sa_column=Column("given_at", Instant(), nullable=False))


REQUEST: Table = METADATA.tables["approval_request"]
GIVEN: Table = METADATA.tables["approval_given"]

GUARDS = (
    frozen(
        "approval_request", "id", "request_id", "kind", "institution_row", "subject", "digest", "asked_by",
        "asked_at", "sequence",
    ),
    forward(
        "approval_request",
        "forward",
        "OLD.state <> 'pending' AND NEW.state IS DISTINCT FROM OLD.state",
        "a request is closed once",
    ),
    kept("approval_request"),
    unreplaced("approval_request", ("id",), ("request_id",)),
    frozen("approval_given", "id", "request_row", "sequence", "approver", "person", "method", "given_at"),
    kept("approval_given"),
    unreplaced("approval_given", ("id",), ("sequence",)),
)  # fmt: skip
