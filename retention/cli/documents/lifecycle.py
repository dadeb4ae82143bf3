"""The documents of `lifecycle plan|apply|run`: what should move, and what became of it."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Day, Instant

LifecycleMove = TypedDict(
    "LifecycleMove",
    {
        "study_uid": str,
        "institution": str,
        "from": str,
        "to": str,
        "bytes": Count,
        "rule": str,
    },
)
"""One study's packages on one tier that should be on another. `bytes` as received; `rule` is the plan's row."""


class LifecyclePlan(TypedDict):
    """What the plans ask for on a day."""

    at: Day
    moves: list[LifecycleMove]
    file: str | None
    """Where the plan was written with `--out`."""


class LifecycleProblem(TypedDict):
    """A move that was not done, and why."""

    study_uid: str
    institution: str
    to: str
    message: str
    hint: str | None


class LifecycleKept(TypedDict):
    """A package whose time is over and that a volume does not give up: a lock, a hold, a volume that is away."""

    package: str
    study_uid: str | None
    message: str
    until: Instant | None
    """Until when it is locked, if that is why. Its key is gone all the same."""


class LifecycleRun(TypedDict):
    """What became of the moves that are due."""

    moves: list[LifecycleMove]
    """Those that were done."""
    moved: Count
    waiting: Count
    """Moves that leave a slow tier, which was asked for the data: a later run makes them."""
    failed: Count
    skipped: Count
    """Moves that do not fit any more, or that another run does."""
    left: Count
    """Moves that the limits did not reach: run it again."""
    bytes: Count
    """Bytes moved, as received."""
    dropped: Count
    """Older forms of moved packages, and recalled copies, that are gone now."""
    kept: list[LifecycleKept]
    """What had its time and is still there."""
    unlocked: list[str]
    """Why volumes with Object Lock have not locked what was moved to them yet: `volume locks` does."""
    recalled: Count
    """Recalled studies that became readable."""
    findings: Count
    """How much was found wrong with what was recalled, where the plan has it audited then (`on_recall`)."""
    seconds: float
    problems: list[LifecycleProblem]
