"""What a process knew of a package a moment ago: used for a moment, bounded, and never instead of what is there now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.model.errors import NotReadyError
from retention.model.identifiers import PackageId
from retention.services import access
from retention.services.access import RECENT, RECENT_PACKAGES, PackageAccess, RecentPackages
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from tests.services.move.moving import move_in
from tests.services.world import until


@pytest.fixture
def known(held):
    with held.opened() as stores:
        (package, *_) = stores.catalog.all_packages()
        yield stores, package, PackageAccess(stores).known(package)


def test_it_is_read_once_for_as_long_as_it_is_recent(known, monkeypatch):
    stores, package, _ = known
    clock = RehearsalClock(stores.clock.now())
    recent = RecentPackages(clock)
    first = PackageAccess(stores, recent=recent).known(package)
    assert PackageAccess(stores, recent=recent).known(package) is first
    monkeypatch.setattr(recent, "_clock", RehearsalClock(clock.now() + RECENT + timedelta(seconds=1)))
    assert PackageAccess(stores, recent=recent).known(package) is not first


def test_it_is_forgotten_when_its_time_is_over_asked_for_or_not(known, monkeypatch):
    monkeypatch.setattr(access, "SWEEP_S", 0.001)
    stores, package, known_package = known
    recent = RecentPackages(stores.clock)
    recent.put(package.package_id, known_package)
    assert len(recent) == 1
    monkeypatch.setattr(recent, "_clock", RehearsalClock(stores.clock.now() + RECENT + timedelta(seconds=1)))
    assert until(lambda: len(recent) == 0)


def name_of(number: int) -> PackageId:
    return PackageId(f"{number:032x}")


def test_no_more_of_them_are_remembered_than_the_limit(known):
    stores, _, known_package = known
    recent = RecentPackages(stores.clock)
    for number in range(RECENT_PACKAGES * 3):
        recent.put(name_of(number), known_package)
    remembered = [number for number in range(RECENT_PACKAGES * 3) if recent.get(name_of(number)) is not None]
    assert remembered == list(range(RECENT_PACKAGES * 2, RECENT_PACKAGES * 3))


def test_what_has_to_be_recalled_says_so_though_it_is_known(known):
    stores, _, _ = known
    recent = RecentPackages(stores.clock)
    move_in(stores, "glacier", list(stores.catalog.all_packages()))
    stores.clock = RehearsalClock(stores.clock.now() + GRACE)
    drop_due(stores)
    package = next(each for each in stores.catalog.all_packages() if each.tier == "glacier")
    recent.put(package.package_id, known[2])
    with pytest.raises(NotReadyError), PackageAccess(stores, recent=recent).reader(package):
        pass
