"""The documents of `approval …`: what waits for a second signature, and what became of it."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Day, Instant


class ApprovalVisa(TypedDict):
    """A decision of somebody outside, as recorded; `document` is the SHA-256 of the file."""

    number: str
    date: Day
    document: str


class ApprovalGiven(TypedDict):
    """One signature. `method` is `signature`, `session`, or `declared` on a rehearsal archive."""

    approver: str
    person: str
    method: str
    at: Instant
    visa: ApprovalVisa | None


class ApprovalRow(TypedDict):
    """A request for approval."""

    id: str
    kind: str
    """`fact`, `policy`, `config`, `hold-release` or `disposal`."""
    institution: str | None
    summary: str
    digest: str
    approvers: list[str]
    """Who is to sign, in this order."""
    given: list[ApprovalGiven]
    """The signatures that count; those that lapsed are not among them."""
    awaited: str | None
    asked_by: str | None
    asked: Instant
    state: str
    """`pending`, `approved` or `rejected`."""
    reason: str | None
    """Why it was rejected."""


class ApprovalList(TypedDict):
    """What waits for signatures, oldest first."""

    approvals: list[ApprovalRow]


class ApprovalDecided(TypedDict):
    """The request as it is now."""

    approvals: list[ApprovalRow]
