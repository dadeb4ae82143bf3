"""The documents of `disposal …`."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Day, Instant


class Proposal(TypedDict):
    """A proposal: how many studies of each outcome, and how far it has come."""

    id: str
    institution: str
    state: str
    for_day: Day
    made_at: Instant
    counts: dict[str, int]
    destroy: Count
    awaited: str | None
    """Whose approval comes next; None when all are given, or nobody is named."""
    executable_on: Day | None
    certificate: str | None


class ProposedStudy(TypedDict):
    study: str
    """A keyed digest: it says nothing without the archive."""
    study_uid: str | None
    """None once it is not held any more."""
    outcome: str
    why: str
    keep_until: Day | None
    winner: str | None


class Disposals(TypedDict):
    """Proposals, and how many certificates there are."""

    proposals: list[Proposal]
    certificates: Count
    studies: NotRequired[list[ProposedStudy]]


class DisposalExecute(TypedDict):
    """What an execution came to."""

    proposals: list[Proposal]
    certificates: list[str]
    destroyed: Count
    left_out: list[dict[str, str]]
    remains: list[dict[str, str]]
    """What media have not given up yet; it cannot be read any more."""


class DisposalRequest(TypedDict):
    """A request for erasure, as recorded, and its answer. Nothing is ever destroyed by it."""

    study_uid: str
    refused: bool
    article: str | None
    """The article that stands against it; None: nothing does, and the ordinary way is open."""
    state: str
    keep_until: Day | None
    legal_bases: list[str]


class DisposalFile(TypedDict):
    """A file that was written."""

    file: str
    proposals: list[str]
    certificates: list[str]


class DisposalCertificate(TypedDict):
    """A certificate that was written, whole."""

    file: str
    certificates: list[dict[str, Any]]
