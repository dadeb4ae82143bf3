"""The documents of `hold …`: legal holds."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Day, Instant


class HoldRow(TypedDict):
    """A hold: whose case, why, on what."""

    id: str
    institution: str
    scope: str
    """`study`, `patient` or `query`."""
    subject: str
    """The study's UID, the patient (`ID^ISSUER`), or the query."""
    owner: str
    reason: str
    reassess: Day
    overdue: bool
    """Whether the day to look at it again has passed: a finding, never a release."""
    placed: Instant
    placed_by: str | None
    released: Instant | None
    studies: Count | None
    """How many studies a hold on a study or a patient covers now; null for a query and a released hold."""
    approval: str | None
    """The request that waits for approval to release it."""


class HoldList(TypedDict):
    """Legal holds, oldest first."""

    holds: list[HoldRow]


class HoldPlaced(TypedDict):
    """The hold as placed."""

    holds: list[HoldRow]


class HoldRelease(TypedDict):
    """The hold, which stands until somebody else approves its release."""

    holds: list[HoldRow]
