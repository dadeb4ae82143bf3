"""Dates 2: calendar arithmetic that never lands early."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.policy.period import (
    FOREVER,
    UNKNOWN_PAST,
    Period,
    age_reached_by,
    is_too_long,
    parse_period,
    plus_days,
)

DAYS = st.dates(date(1850, 1, 1), date(2300, 12, 31))
PERIODS = st.builds(Period, st.integers(0, 2400), st.integers(0, 4000))


@pytest.mark.parametrize(
    ("start", "period", "end"),
    [
        ("2026-01-31", "P1M", "2026-03-01"),
        ("2024-02-29", "P1Y", "2025-03-01"),
        ("2024-02-29", "P4Y", "2028-02-29"),
        ("2024-01-31", "P1M", "2024-03-01"),
        ("2026-03-31", "P1M", "2026-05-01"),
        ("2026-12-31", "P2M", "2027-03-01"),
        ("2006-03-15", "P20Y", "2026-03-15"),
        ("2026-01-31", "P1M1D", "2026-03-02"),
        ("2026-01-30", "P1Y6M", "2027-07-30"),
        ("2026-01-01", "P2W", "2026-01-15"),
        ("2026-01-01", "P90D", "2026-04-01"),
        ("2023-12-31", "P1D", "2024-01-01"),
    ],
)
def test_a_day_that_does_not_exist_is_the_first_of_the_next_month(start, period, end):
    parsed = parse_period(period)
    assert parsed is not None
    assert parsed.after(date.fromisoformat(start)) == date.fromisoformat(end)


@given(DAYS, DAYS, PERIODS)
def test_later_starts_never_end_earlier(one, other, period):
    first, second = sorted([one, other])
    assert period.after(first) <= period.after(second)


@given(DAYS, PERIODS, st.integers(0, 24), st.integers(0, 60))
def test_longer_periods_never_end_earlier(day, period, months, days):
    longer = Period(period.months + months, period.days + days)
    assert period.after(day) <= longer.after(day)


@given(DAYS, PERIODS)
def test_an_end_is_never_before_its_start(day, period):
    assert period.after(day) >= day


@given(DAYS, st.integers(1, 130))
def test_the_last_birth_that_reaches_an_age_is_exact(day, years):
    age = Period.years(years)
    birth = age_reached_by(day, years)
    assert age.after(birth) <= day
    assert age.after(birth + timedelta(days=1)) > day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "20Y",
        "P20",
        "p20y",
        "P1.5Y",
        "P-1Y",
        "-P1Y",
        "PT12H",
        "P1YT1H",
        "P1M1Y",
        " P1Y",
        "P1Y\n",
        "P٣Y",
        "P" + "9" * 40 + "Y",
    ],
    ids=repr,
)
def test_what_is_not_a_calendar_period_is_none(text):
    assert parse_period(text) is None


def test_beyond_the_calendar_is_for_ever():
    assert Period.years(200).after(date(9900, 1, 1)) == FOREVER
    assert Period(0, 10).after(date(9999, 12, 30)) == FOREVER
    assert Period.years(1).after(FOREVER) == FOREVER
    assert plus_days(FOREVER, 1) == FOREVER
    assert plus_days(UNKNOWN_PAST, -1) == UNKNOWN_PAST
    assert age_reached_by(FOREVER, 18) == FOREVER
    assert age_reached_by(date(10, 1, 1), 18) == UNKNOWN_PAST


@pytest.mark.parametrize(
    ("text", "is_long"), [("P200Y", False), ("P2400M", False), ("P201Y", True), ("P80000D", True)]
)
def test_two_hundred_years_are_the_most(text, is_long):
    period = parse_period(text)
    assert period is not None
    assert is_too_long(period) is is_long


@pytest.mark.parametrize(
    ("text", "english", "french"),
    [
        ("P20Y", "20 years", "20 ans"),
        ("P1Y", "1 year", "1 an"),
        ("P1Y6M", "1 year 6 months", "1 an 6 mois"),
        ("P18M", "1 year 6 months", "1 an 6 mois"),
        ("P90D", "90 days", "90 jours"),
        ("P1W", "1 week", "1 semaine"),
    ],
)
def test_periods_are_said_in_words(text, english, french):
    period = parse_period(text)
    assert period is not None
    assert (period.words().en, period.words().fr, str(period)) == (english, french, text)


def test_equal_periods_may_be_written_differently():
    assert parse_period("P1Y") == parse_period("P12M")
    assert str(Period(12, 3)) == "P12M3D"
