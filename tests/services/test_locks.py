"""Holds reach what lies on volumes that lock: put there at once, taken off by the next renewal, on nothing else."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from retention.model.errors import VolumeUnavailableError
from retention.services import holds, institutions, locks
from tests.services.world import World

HOT = "1.2.840.99.1"


class Bucket:
    """A volume that remembers which objects are on hold."""

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name, self.fails = name, fails
        self.held: set[str] = set()
        self.asked: set[str] = set()

    def hold(self, key: str, *, on: bool) -> bool:
        if self.fails:
            raise VolumeUnavailableError("it is away", volume=self.name)
        self.asked.add(key)
        (self.held.add if on else self.held.discard)(key)
        return True

    def lock(self, _key: str, *, keep_until: datetime | None) -> datetime | None:
        return keep_until

    def sweep(self) -> int:
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
