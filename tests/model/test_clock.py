"""Instants are aware and in UTC; a rehearsal clock shows what it was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.clock import RehearsalClock, SystemClock, format_instant, parse_instant


def test_the_system_clock_is_aware_and_its_seconds_only_grow():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first


def test_a_rehearsal_clock_stands_still_at_its_instant_in_utc():
    clock = RehearsalClock(datetime(2046, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == clock.now() == datetime(2046, 5, 1, tzinfo=UTC)


def test_a_rehearsal_clock_refuses_an_instant_without_a_zone():
    with pytest.raises(ValueError, match="aware"):
        RehearsalClock(datetime(2046, 5, 1))  # noqa: DTZ001  # the very thing that must be refused


@given(st.datetimes(datetime.fromisoformat("1000-01-01"), timezones=st.just(UTC)))
def test_an_instant_written_is_read_back_equal(at):
    assert parse_instant(format_instant(at)) == at


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2031-05-01", datetime(2031, 5, 1, tzinfo=UTC)),
        ("2031-05-01T12:00:00+02:00", datetime(2031, 5, 1, 10, tzinfo=UTC)),
        ("2031-05-01T12:00:00Z", datetime(2031, 5, 1, 12, tzinfo=UTC)),
    ],
)
def test_a_day_or_an_offset_is_understood(text, instant):
    assert parse_instant(text) == instant


@pytest.mark.parametrize("text", ["", "tomorrow", "2031-13-01", "2031-05-01T25:00"])
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_instant(text)
