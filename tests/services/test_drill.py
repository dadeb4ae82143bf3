"""The restore drill: a sample comes back whole or is a finding, waits for slow tiers, and stands in the journal."""

from __future__ import annotations

from datetime import timedelta

from retention.model.clock import RunningClock, SystemClock
from retention.services import drill as drills
from retention.services import recall
from retention.services.drill import OPEN_STATE, DrillRun, drill, last_drill
from tests.services.move.moving import move_in
from tests.services.world import World

HOT = "1.2.840.99.1"


def never() -> bool:
    return False


def run(world: World, stop=never, ahead: timedelta = timedelta(0)) -> DrillRun:
    with world.opened() as stores:
        stores.clock = RunningClock(SystemClock().now() + ahead)
        return drill(stores, stop=stop)


def entries(world: World) -> list[str]:
    with world.opened() as stores:
        found = [entry.envelope.action for entry in stores.journal.read(0)]
    return [action for action in found if action.startswith("drill.")]


def test_what_is_drawn_comes_back_whole_and_the_journal_says_so(held: World):
    done = run(held)
    assert (done.packages, done.instances, done.failed, done.is_over) == (2, 5, 0, True)
    assert done.bytes_read == sum(map(len, held.sent.values()))
    assert entries(held) == ["drill.begin", "drill.end"]
    with held.opened() as stores:
        last = last_drill(stores)
    assert last is not None
    assert (last["packages"], last["instances"], last["failed"]) == (2, 5, {})


def test_an_archive_that_holds_nothing_has_nothing_to_give(empty: World):
    assert run(empty) == DrillRun(is_over=True)
    assert entries(empty) == []


def test_what_cannot_be_given_back_is_a_finding_and_stops_nothing(held: World):
    lost = next(package for package in held.packages() if package.tier == "hot")
    for number in (0, 1):
        held.shard(lost, number).unlink()
    done = run(held)
    assert (done.packages, done.failed, done.is_over) == (1, 1, True)
    assert lost.package_id in done.problems[0]
    with held.opened() as stores:
        last = last_drill(stores)
    assert last is not None
    assert list(last["failed"]) == [lost.package_id]


def test_a_catalog_that_says_other_than_the_journal_is_noticed(held: World, monkeypatch):
    with held.opened() as stores:
        right = stores.catalog.successor_of

        def wrong(package_id):
            package = right(package_id)
            return type(package)(**{**fields_of(package), "index_root": bytes(32)})

        monkeypatch.setattr(stores.catalog, "successor_of", wrong)
        done = drill(stores, stop=never)
    assert done.failed == 2
    assert "committed to another" in done.problems[0]


def fields_of(package):
    return {name: getattr(package, name) for name in type(package).__dataclass_fields__}


def test_one_that_was_stopped_goes_on_with_the_same_sample(held: World):
    asked = iter([False, False, False, False, False])
    first = run(held, stop=lambda: next(asked, True))
    assert not first.is_over
    with held.opened() as stores:
        assert stores.catalog.state(OPEN_STATE)
    second = run(held)
    assert second.is_over
    assert first.packages + second.packages == 2
    assert entries(held) == ["drill.begin", "drill.end"]


def test_what_lies_on_a_slow_tier_is_asked_for_and_waited_for(held: World):
    with held.opened() as stores:
        move_in(stores, "glacier", stores.catalog.packages_of(HOT))
    first = run(held)
    assert (first.packages, first.waiting, first.is_over) == (1, 1, False)
    assert run(held).waiting == 1
    last = run(held, ahead=timedelta(hours=13))
    assert (last.packages, last.failed, last.is_over) == (1, 0, True)


def test_what_is_never_given_out_is_a_finding_after_a_time(held: World, monkeypatch):
    with held.opened() as stores:
        move_in(stores, "glacier", stores.catalog.packages_of(HOT))
    monkeypatch.setattr(recall, "ask", lambda *_: False)
    assert run(held).waiting == 1
    last = run(held, ahead=drills.GIVEN_UP + timedelta(days=1))
    assert (last.failed, last.is_over) == (1, True)
