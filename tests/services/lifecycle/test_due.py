"""What is due of lifecycles: moved when asked, left when told to stop."""

from __future__ import annotations

from datetime import timedelta

from retention.model.clock import RunningClock, SystemClock
from retention.services import institutions
from retention.services.lifecycle.due import LifecycleDone, run_due
from retention.services.move.budget import NO_LIMITS
from retention.services.stores import Stores
from tests.services.world import World

FOUR_YEARS = timedelta(days=4 * 366)


def run(stores: Stores, *, stops: bool = False) -> LifecycleDone:
    stores.clock = RunningClock(SystemClock().now() + FOUR_YEARS)
    return run_due(stores, NO_LIMITS, stop=lambda: stops)


def test_studies_move_when_they_are_due_and_older_forms_go_later(held: World):
    with held.opened() as stores:
        assert institutions.find(stores, "necker").spec.plan is not None
        done = run(stores)
        assert (done.moved, done.failed, done.problems) == (1, 0, ())
        assert {p.tier for p in stores.catalog.packages_of("1.2.840.99.1")} == {"cold"}
        assert run(stores).moved == 0


def test_told_to_stop_it_begins_no_move(held: World):
    with held.opened() as stores:
        assert run(stores, stops=True).moved == 0
        assert run(stores).moved == 1
