"""Locks and holds reach what lies on volumes that lock, as soon as it counts, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.model.errors import VolumeUnavailableError
from retention.services import holds, institutions, locks, recall
from retention.storage.volume import Urgency
from tests.services.instances import instance
from tests.services.move.moving import move_in
from tests.services.test_decisions import bind
from tests.services.world import World

HOT = "1.2.840.99.1"


class Bucket:
    """A volume that remembers which objects are on hold."""

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name, self.fails = name, fails
        self.held: set[str] = set()
        self.asked: set[str] = set()
        self.locked: dict[str, datetime | None] = {}

    def hold(self, key: str, *, on: bool) -> bool:
        if self.fails:
            raise VolumeUnavailableError("it is away", volume=self.name)
        self.asked.add(key)
        (self.held.add if on else self.held.discard)(key)
        return True

    def lock(self, key: str, *, keep_until: datetime | None) -> datetime | None:
        if self.fails:
            raise VolumeUnavailableError("it is away", volume=self.name)
        self.locked[key] = keep_until
        return keep_until

    def sweep(self, may_go: Callable[[str], bool]) -> int:
        del may_go
        return 0


@pytest.fixture
def bucket(monkeypatch):
    made = Bucket("hot-a")
    monkeypatch.setattr(locks, "_locking", lambda _: {made.name: made})
    return made


def place(stores, uid=HOT):
    owner = institutions.find(stores, "necker").institution_id
    return holds.place(stores, holds.Case(owner, "Legal", "appeal", date(2999, 1, 1), uid))


def test_a_hold_reaches_the_objects_of_what_it_covers_and_no_others(held: World, bucket: Bucket):
    with held.opened() as stores:
        place(stores)
        assert locks.mirror_holds(stores).locked == 1
        packages = [package.package_id for package in stores.catalog.packages_of(HOT)]
        assert len(packages) == 1
        assert [packages[0] in key for key in bucket.held] == [True]
        assert bucket.asked == bucket.held


def test_a_renewal_puts_holds_on_and_takes_them_off(held: World, bucket: Bucket):
    with held.opened() as stores:
        bucket.held.add("packages/of/a-hold-that-was-released")
        locks.renew_locks(stores)
        before = set(bucket.held)
        place(stores)
        locks.renew_locks(stores)
        assert len(bucket.held - before) == 1


def test_a_volume_that_is_away_is_told_and_the_hold_stands(held: World, bucket: Bucket):
    with held.opened() as stores:
        place(stores)
        bucket.fails = True
        assert [name for name, _ in locks.mirror_holds(stores).problems] == ["hot-a"]
        assert stores.catalog.study(HOT).summary.holds == 1


def test_without_such_volumes_nothing_is_done(held: World):
    with held.opened() as stores:
        place(stores)
        assert locks.mirror_holds(stores) == locks.Locks()


def test_what_comes_in_is_locked_once_it_counts_and_never_beyond_what_must_be_kept(
    known: World, bucket: Bucket
):
    with known.opened() as stores:
        bind(stores, "generic-20-years")
        assert known.ingest_into(stores, known.send("late.dcm", instance(7, born="19600229"))).unlocked == []
        ends_on = stores.catalog.study(HOT).summary.keep_until_on
        assert ends_on is not None
        late = stores.catalog.packages_of(HOT)[-1].package_id
        assert [(late in key, until) for key, until in bucket.locked.items()] == [
            (True, datetime.combine(ends_on, time.min, UTC))
        ]


def test_what_cannot_be_locked_is_stored_and_said(held: World, bucket: Bucket):
    bucket.fails = True
    with held.opened() as stores:
        report = held.ingest_into(stores, held.send("late.dcm", instance(7)))
    assert (report.stored, [error.message for error in report.unlocked]) == (1, ["it is away"])


def test_recalled_copies_are_not_locked(held: World, bucket: Bucket):
    with held.opened() as stores:
        move_in(stores, "glacier", stores.catalog.packages_of(HOT))
        bucket.locked.clear()
        stores.clock = RehearsalClock(stores.clock.now())
        recall.request(stores, stores.catalog.study(HOT), "board", Urgency.ROUTINE)
        stores.clock = RehearsalClock(stores.clock.now() + timedelta(days=1))
        assert len(recall.advance(stores).ready) == 1
        locks.renew_locks(stores)
        assert bucket.locked == {}


def test_a_renewal_told_to_stop_stops_and_says_so(held: World, bucket: Bucket):
    with held.opened() as stores:
        assert locks.renew_locks(stores, stop=lambda: True).is_left
        assert bucket.locked == {}
        assert not locks.renew_locks(stores).is_left
        assert len(bucket.locked) == 1
