"""What is due of lifecycles: studies moved to the tiers their plans want, recalls finished, what had its time gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

from retention.services import decisions, recall
from retention.services.lifecycle.carry_out import carry_out
from retention.services.lifecycle.plan import plan_moves
from retention.services.move.budget import Limits
from retention.services.move.leaving import drop_due
from retention.services.progress import NoProgress
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class LifecycleDone:
    """Studies `decided` again, `moved`, `waiting` for a slow tier, `failed` and `skipped`; packages `dropped`; recalls
    made ready (`recalled`)."""

    decided: int
    moved: int
    waiting: int
    failed: int
    skipped: int
    left: int
    dropped: int
    recalled: int
    bytes_moved: int
    problems: tuple[str, ...] = ()


def run_due(stores: Stores, limits: Limits, *, stop: Callable[[], bool]) -> LifecycleDone:
    """Do what is due until told to stop: a package whose move has begun is moved. Raises what a commit raises."""
    decided = decisions.refresh(stores)
    recalled = recall.advance(stores)
    moves = takewhile(lambda _: not stop(), plan_moves(stores))
    outcome = carry_out(stores, moves, limits, NoProgress())
    dropped = drop_due(stores)
    problems = [f"{move.study_uid}: {error.message}" for move, error in outcome.failed]
    problems += [error.message for error in outcome.unlocked]
    problems += [error.message for _, error in dropped.kept]
    problems += [f"recall {each.recall_id}: {error.message}" for each, error in recalled.failed]
    return LifecycleDone(
        decided,
        len(outcome.moved),
        len(outcome.waiting),
        len(outcome.failed),
        len(outcome.skipped),
        len(outcome.left),
        len(dropped.packages),
        len(recalled.ready),
        outcome.bytes_moved,
        tuple(problems),
    )
