"""Blackout windows: when heavy work rests, on the wall clocks of one zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.services.jobs.blackout import DAYS, Blackout, Window


def until(at: str, *windows: str, zone: str = "Europe/Paris") -> str | None:
    end = Blackout.parse(windows, zone).until(datetime.fromisoformat(at))
    return None if end is None else end.isoformat()


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-11-24T06:59:59Z", None),  # Tuesday, 7:59:59 in Paris
        ("2026-11-24T07:00:00Z", "2026-11-24T17:00:00+00:00"),
        ("2026-11-24T16:59:59Z", "2026-11-24T17:00:00+00:00"),
        ("2026-11-24T17:00:00Z", None),
        ("2026-11-28T10:00:00Z", None),  # Saturday
        ("2026-07-14T06:00:00Z", "2026-07-14T16:00:00+00:00"),  # summer: two hours ahead
    ],
)
def test_work_rests_in_a_window_and_goes_on_at_its_end(at, end):
    assert until(at, "Mon-Fri 08:00-18:00") == end


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_began():
    assert until("2026-11-27T23:00:00Z", "Fri 22:00-06:00") == "2026-11-28T05:00:00+00:00"
    assert until("2026-11-28T23:00:00Z", "Fri 22:00-06:00") is None
    assert until("2026-11-27T03:00:00Z", "Fri 22:00-06:00") is None


def test_days_go_over_the_end_of_the_week():
    assert until("2026-11-29T12:00:00Z", "Sat-Mon 08:00-18:00") is not None
    assert until("2026-11-30T12:00:00Z", "Sat-Mon 08:00-18:00") is not None
    assert until("2026-12-01T12:00:00Z", "Sat-Mon 08:00-18:00") is None


def test_windows_that_meet_are_one():
    assert until("2026-11-24T09:00:00Z", "Tue 08:00-12:00", "Tue 12:00-15:00") == "2026-11-24T14:00:00+00:00"


def test_a_day_without_an_hour_is_measured_on_the_wall():
    # 2026-03-29: at two o'clock it is three in Paris
    assert until("2026-03-29T00:30:00Z", "Sun 01:00-04:00") == "2026-03-29T02:00:00+00:00"


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001  # hypothesis adds the zone
    day=st.sampled_from(DAYS),
    begins=st.times(),
    ends=st.times(),
)
def test_what_ends_is_over_at_its_end(at, day, begins, ends):
    window = Window(frozenset({DAYS.index(day)}), begins.replace(tzinfo=None), ends.replace(tzinfo=None))
    blackout = Blackout((window,), UTC)
    end = blackout.until(at.replace(tzinfo=UTC))
    assert end is None or (end > at.replace(tzinfo=UTC) and blackout.until(end) is None)
