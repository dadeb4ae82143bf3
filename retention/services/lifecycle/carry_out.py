"""Carrying out a plan: each move looked at again, packages moved, and the study's rows told apart afterwards.

What does not fit any more (the study is gone, lies elsewhere, is too small for the tier) is skipped and said. Nothing
moves to a faster tier: the order of the tiers in archive.yaml, fastest first, decides, whatever a file asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from retention.catalog.records import PackageSummary
from retention.model.errors import NotFoundError, RetentionError, StorageError, UsageError
from retention.model.identifiers import PackageId
from retention.services.lifecycle import waiting
from retention.services.lifecycle.planned import PlannedMove
from retention.services.lifecycle.worth import is_slower, is_worth
from retention.services.move.budget import Budget, Limits
from retention.services.move.move import Moved, Mover, Task
from retention.services.progress import Progress
from retention.services.stores import Stores


@dataclass(slots=True)
class Outcome:
    """What became of the moves of a plan. One counts as moved when all its packages lie on the new tier; as `waiting`
    when its tier answers slowly, and was asked."""

    moved: list[PlannedMove] = field(default_factory=list)
    waiting: list[PlannedMove] = field(default_factory=list)
    failed: list[tuple[PlannedMove, RetentionError]] = field(default_factory=list)
    skipped: list[tuple[PlannedMove, str]] = field(default_factory=list)
    left: list[PlannedMove] = field(default_factory=list)
    unlocked: list[StorageError] = field(default_factory=list)
    bytes_moved: int = 0
    seconds: float = 0.0


def carry_out(stores: Stores, moves: Iterable[PlannedMove], limits: Limits, progress: Progress) -> Outcome:
    """Move what the plan says, as far as the limits allow. Raises what a commit raises."""
    outcome = Outcome()
    of_package: dict[PackageId, PlannedMove] = {}
    asked: list[PlannedMove] = []

    def tasks() -> Iterator[Task]:
        for move in moves:
            fitting = _fitting(stores, move)
            if isinstance(fitting, str):
                outcome.skipped.append((move, fitting))
                continue
            asked.append(move)
            tier = stores.volumes.tier(move.to_tier)
            for package in fitting:
                of_package[package.package_id] = move
                yield Task(package, tier)

    done = Mover(stores, progress, Budget(limits, stores.clock)).run(tasks())
    outcome.unlocked = done.unlocked
    outcome.bytes_moved, outcome.seconds = done.bytes_received, done.seconds
    asleep: dict[PlannedMove, list[PackageSummary]] = {}
    for task in done.asleep:
        asleep.setdefault(of_package[task.package.package_id], []).append(task.package)
    errors = {of_package[task.package.package_id]: error for task, error in reversed(done.failed)}
    errors = waiting.ask_for(stores, asleep) | errors
    _tell_apart(outcome, asked, of_package, done, errors, asleep)
    waiting.end(stores)
    return outcome


def _fitting(stores: Stores, move: PlannedMove) -> list[PackageSummary] | str:
    """Return the packages that the move is about, or why there are none."""
    tiers = list(stores.settings.tiers)
    if move.to_tier not in tiers:
        return f"archive.yaml has no tier {move.to_tier}"
    if not is_slower(tiers, move.to_tier, move.from_tier):
        return f"{move.to_tier} is not slower than {move.from_tier}: nothing moves to a faster tier"
    try:
        packages = stores.catalog.packages_of(move.study_uid, move.institution)
    except (NotFoundError, UsageError) as error:
        return error.message
    there = [p for p in packages if p.tier == move.from_tier and p.copy_of is None]
    if not there:
        return f"nothing of it lies on {move.from_tier}"
    there = [package for package in there if not package.lost and not package.replaced]
    if not there:
        return f"what lies on {move.from_tier} was lost"
    worth = [package for package in there if is_worth(stores.settings.tiers[move.to_tier], package)]
    return worth or f"it is too small for {move.to_tier}"


def _tell_apart(
    outcome: Outcome,
    asked: Sequence[PlannedMove],
    of_package: Mapping[PackageId, PlannedMove],
    done: Moved,
    errors: Mapping[PlannedMove, RetentionError],
    asleep: Collection[PlannedMove],
) -> None:
    """Say of each move what became of it; a move of several packages fails with the first that does."""
    left = {of_package[task.package.package_id] for task in done.left}
    overtaken = {of_package[task.package.package_id] for task in done.overtaken}
    for move in asked:
        if move in errors:
            outcome.failed.append((move, errors[move]))
        elif move in asleep:
            outcome.waiting.append(move)
        elif move in left:
            outcome.left.append(move)
        elif move in overtaken:
            outcome.skipped.append((move, "another run moved it, or is at it"))
        else:
            outcome.moved.append(move)
