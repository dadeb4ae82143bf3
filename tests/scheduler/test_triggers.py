"""When jobs run: durations and cron, in a time zone that changes its clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.scheduler.triggers import MOST_PASSED, Trigger, read_trigger
from retention.settings import terms

PARIS = "Europe/Paris"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # a Tuesday


def after(trigger: Trigger, due_at: datetime, now: datetime) -> datetime:
    following = trigger.following(due_at, now)
    assert following is not None
    return following


def times(text: str, since: str, count: int, zone: str = PARIS) -> list[str]:
    """The first times after an instant."""
    trigger, at, found = read_trigger(text, zone), datetime.fromisoformat(since), []
    for _ in range(count):
        at = after(trigger, at, at)
        found.append(at.isoformat(timespec="minutes").removesuffix("+00:00"))
    return found


def test_every_so_often_begins_at_once_and_keeps_its_beat():
    every = read_trigger("PT1H", PARIS)
    assert every.first(NOW) == NOW
    assert every.following(NOW, NOW + timedelta(minutes=150)) == NOW + timedelta(hours=3)
    assert len(list(every.passed(NOW, NOW + timedelta(minutes=150)))) == 3


def test_five_fields_wait_for_their_time():
    assert read_trigger("0 2 * * *", PARIS).first(NOW) == datetime(2026, 11, 25, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 2 * * *", ["2026-11-25T01:00", "2026-11-26T01:00"]),
        ("*/20 * * * *", ["2026-11-24T12:20", "2026-11-24T12:40"]),
        ("0 6 1 * *", ["2026-12-01T05:00", "2027-01-01T05:00"]),
        ("0 6 1 JAN *", ["2027-01-01T05:00", "2028-01-01T05:00"]),
        ("0 6 * * 0", ["2026-11-29T05:00", "2026-12-06T05:00"]),  # Sunday, as cron counts
        ("0 6 * * 7", ["2026-11-29T05:00", "2026-12-06T05:00"]),
        ("0 6 * * Sun-Tue", ["2026-11-29T05:00", "2026-11-30T05:00"]),
        ("0 6 * * 5-7", ["2026-11-27T05:00", "2026-11-28T05:00"]),
        ("0 6 * * 1-5/2", ["2026-11-25T05:00", "2026-11-27T05:00"]),
        ("0 6 13 * FRI", ["2026-11-27T05:00", "2026-12-04T05:00"]),  # either day will do
    ],
)
def test_cron_is_read_as_cron_is(text, expected):
    assert times(text, "2026-11-24T12:00+00:00", 2) == expected


@pytest.mark.parametrize(
    "text",
    [
        "*/5 * * * *",
        "0,30 8-18/2 1-15 JAN,Jul Mon-Fri",
        "59 23 31 12 7",
        "5/15 * * * 2/2",
        "0 0 * FEB *",
        "P1W",
        "PT1S",
    ],
)
def test_whatever_archive_yaml_may_say_is_understood(text):
    assert terms.check_schedule(text) is None
    assert read_trigger(text, PARIS).first(NOW) is not None


def test_a_time_that_a_change_of_clocks_skips_still_comes_that_day():
    assert times("30 2 * * *", "2026-03-28T12:00+00:00", 2) == ["2026-03-29T01:30", "2026-03-30T00:30"]


def test_what_never_comes_never_is_due():
    assert read_trigger("0 0 31 2 *", PARIS).first(NOW) is None


def test_what_passed_is_counted_and_not_for_ever():
    assert len(list(read_trigger("0 * * * *", PARIS).passed(NOW, NOW + timedelta(hours=5)))) == 6
    for text in ("* * * * *", "PT1S"):
        assert len(list(read_trigger(text, PARIS).passed(NOW, NOW + timedelta(days=3650)))) == MOST_PASSED


@given(
    text=st.sampled_from(["PT1S", "PT7M", "P1D", "*/7 * * * *", "0 2 * * *", "30 2 29 2 *", "5 4 * * sun"]),
    due=st.integers(-10_000_000, 10_000_000),
)
def test_the_next_time_is_later_than_now_and_never_goes_back(text, due):
    trigger = read_trigger(text, PARIS)
    following = after(trigger, NOW + timedelta(seconds=due), NOW)
    assert following > NOW
    assert after(trigger, following, following) > following
