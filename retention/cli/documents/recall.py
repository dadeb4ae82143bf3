"""The documents of `recall request|list|cancel`: who asked for which study, and how far that is."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Instant


class RecallRequest(TypedDict):
    """One request for a study on a slow tier."""

    id: str
    study_uid: str | None
    institution: str | None
    state: Literal["requested", "ready", "expired", "cancelled"]
    urgency: Literal["routine", "soon", "emergency"]
    reason: str | None
    by: str | None
    """Who asked, as declared with `--as`."""
    requested_at: Instant
    eta: Instant | None
    """When it is expected to be ready, or was; null when nobody can tell."""
    moving_to: str | None
    """The tier it moves to once it can be read; null when somebody is to read it."""
    until: Instant | None
    """Until when it can be read."""


class RecallProblem(TypedDict):
    """A request that could not go on, and why."""

    id: str
    message: str
    hint: str | None


class RecallList(TypedDict):
    """Requests, oldest first."""

    requests: list[RecallRequest]
    findings: Count
    """How much was found wrong with what slow tiers gave out, where the plan has it audited then (`on_recall`)."""
    problems: list[RecallProblem]
