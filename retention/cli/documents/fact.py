"""The documents of `fact record|import|withdraw|list`: what is known of patients, and what waits to be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Day, Instant


class FactEffect(TypedDict):
    """The studies of the patients concerned, by what becomes of their ends when all of it counts."""

    earlier: Count
    later: Count
    restated: Count
    """The same end, for another reason or in another state."""
    same: Count


class FactRefused(TypedDict):
    line: Count
    reason: str


class FactRecorded(TypedDict):
    """What was recorded, or would be. With anything in `refused`, nothing was."""

    facts: Count
    """Facts that were recorded, the pending ones included."""
    pending: Count
    """Facts that would bring an end earlier: they count when a second person has approved them."""
    unchanged: Count
    """Facts that stood already."""
    strangers: Count
    """Patients of whom no study is held."""
    merged: Count
    """Patients that a message says are the same as another."""
    ignored: Count
    """Messages that say nothing kept here, or were read before."""
    effect: FactEffect
    approvals: list[str]
    """The requests a second person has to approve."""
    refused: list[FactRefused]
    recorded: bool
    """False for a dry run, and where something was refused."""


FactRow = TypedDict(
    "FactRow",
    {
        "id": str,
        "institution": str,
        "patient_id": str,
        "issuer": str | None,
        "kind": str,
        "from": Day | None,
        "to": Day | None,
        "source": str,
        "assurance": Literal["declared", "verified"],
        "state": Literal["standing", "superseded", "pending", "rejected"],
        "withdraws": bool,
        "supersedes": list[str],
        "recorded_by": str,
        "recorded": Instant,
        "entry": Count,
        "decided": Instant | None,
        "batch": str,
    },
)
"""One statement about a patient, as it was recorded, and what became of it. `entry`: the journal's; `decided`: when a
second person approved or rejected it; `batch`: what was recorded, and is approved, together."""


class FactList(TypedDict):
    """What was recorded, in order."""

    facts: Count
    pending: Count
    items: Iterable[FactRow]


class FactAttributed(TypedDict):
    """Whose a study is, or who is the same."""

    facts: Count
    pending: Count
    effect: FactEffect
    approvals: list[str]
    studies: Count
    """Studies that belong to the patient now."""
