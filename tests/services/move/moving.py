"""Moving by hand: what the tests of moves share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from retention.catalog.records import PackageSummary
from retention.model.clock import RehearsalClock
from retention.services.move.budget import NO_LIMITS, Budget, Limits
from retention.services.move.leaving import Left, drop_due
from retention.services.move.move import GRACE, Moved, Mover, Task
from retention.services.progress import NoProgress
from retention.services.stores import Stores
from tests.services.world import World


def move(
    world: World, tier: str, packages: Iterable[PackageSummary] | None = None, limits: Limits = NO_LIMITS
) -> Moved:
    """Move packages (all) to a tier."""
    with world.opened() as stores:
        return move_in(stores, tier, world.packages() if packages is None else packages, limits)


def move_in(
    stores: Stores, tier: str, packages: Iterable[PackageSummary], limits: Limits = NO_LIMITS
) -> Moved:
    tasks = [Task(package, stores.volumes.tier(tier)) for package in packages]
    return Mover(stores, NoProgress(), Budget(limits, stores.clock)).run(tasks)


def drop_later(world: World, after: timedelta = GRACE) -> Left:
    """Drop what is due some time from now."""
    with world.opened() as stores:
        stores.clock = RehearsalClock(stores.clock.now() + after)
        return drop_due(stores)
