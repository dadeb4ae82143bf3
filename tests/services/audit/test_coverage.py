"""How far audits are: counted against what is asked, and an alarm before anything is late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.services.audit import coverage as coverages
from retention.services.audit.coverage import Alarm, coverage_of
from retention.services.audit.rounds import run_due
from retention.services.stores import Stores
from tests.services.world import World

DAY = timedelta(days=1)


@pytest.fixture
def stores(held: World) -> Iterator[Stores]:
    with held.opened() as opened:
        opened.clock = RehearsalClock(opened.clock.now())
        yield opened


def later(stores: Stores, by: timedelta) -> None:
    stores.clock = RehearsalClock(stores.clock.now() + by)


def test_what_was_just_stored_was_just_read(stores: Stores):
    found = coverage_of(stores)
    assert (found.share, found.late, found.due, found.alarms) == (1.0, 0, 0, [])
    hot, cold, glacier = found.tiers
    assert (hot.packages, cold.packages, glacier.packages) == (1, 1, 0)
    assert hot.asked.full == 90 * DAY
    assert cold.asked.full == 180 * DAY
    assert glacier.asked.sample == 0.02


def test_late_is_counted_by_tier_and_over_when_it_was_read(stores: Stores):
    later(stores, 91 * DAY)
    found = coverage_of(stores)
    assert (found.share, found.late, found.due) == (0.5, 1, 1)
    assert Alarm.LATE in found.alarms
    run_due(stores)
    found = coverage_of(stores)
    assert (found.share, found.late, found.alarms) == (1.0, 0, [])
    assert found.oldest_at == stores.catalog.audits.readings_of("cold", ()).oldest_at


def test_silence_is_an_alarm_before_anything_is_late(stores: Stores):
    later(stores, 82 * DAY)
    found = coverage_of(stores)
    assert (found.late, found.alarms) == (0, [Alarm.SILENT])
    later(stores, 3 * DAY)
    assert coverage_of(stores).alarms == [Alarm.SILENT, Alarm.BEHIND]


def test_a_round_that_takes_longer_than_is_asked_is_an_alarm(stores: Stores, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(coverages, "ASSUMED_MB_S", 1e-10)
    found = coverage_of(stores)
    assert found.alarms == [Alarm.TOO_SLOW]
    assert not any(tier.forecast.is_enough for tier in found.tiers if tier.forecast)


def test_the_rate_is_measured_and_never_more_than_is_allowed(stores: Stores, monkeypatch: pytest.MonkeyPatch):
    assert (coverage_of(stores).rate_mb_s, coverage_of(stores).is_measured) == (200.0, False)
    later(stores, 91 * DAY)
    run_due(stores)
    monkeypatch.setattr(coverages, "ENOUGH_MS", 0)
    assert coverage_of(stores).is_measured
    object.__setattr__(stores.settings, "audit", replace(stores.settings.audit, rate_mb_s=0.001))
    assert coverage_of(stores).rate_mb_s == 0.001


def test_a_tier_that_no_plan_speaks_of_has_archive_yamls_default(stores: Stores):
    (institution,) = stores.catalog.institutions()
    with stores.catalog.transaction() as transaction:
        transaction.record_institution(replace(institution, spec=replace(institution.spec, plan=None)))
    hot, _, glacier = coverage_of(stores).tiers
    assert (hot.asked.full, hot.asked.by_default) == (180 * DAY, True)
    assert glacier.asked.full is None
