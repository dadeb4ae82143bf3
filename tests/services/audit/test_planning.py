"""The planner, as laws: nothing late where there is time, nothing read that is not due, nobody chooses a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from retention.services.audit.planning import (
    Asked,
    Candidate,
    Planned,
    choose,
    draws,
    due_at,
    forecast,
    groups,
    is_late,
    lead,
    plan,
    sample_size,
    share_due,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LARGE = 8 << 20
HOT = Asked("hot", full=90 * DAY, spread_bytes=LARGE)
COLD = Asked("cold", full=180 * DAY, spread_bytes=LARGE)
AGES = st.integers(0, 400).map(lambda days: days * DAY)


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    found = []
    for row in range(draw(st.integers(0, 12))):
        oldest = draw(AGES)
        newest = min(oldest, draw(AGES))
        found.append(
            Candidate(
                row,
                draw(st.sampled_from(["hot", "cold"])),
                draw(st.sampled_from([1000, LARGE, 40 * LARGE])),
                draw(st.sampled_from([1, 2, 6])),
                NOW - oldest,
                NOW - newest,
            )
        )
    return found


def planned(packages: Sequence[Candidate], max_bytes: int | None = None) -> list[Planned]:
    """Plan as the service does: each tier's packages in two orders."""
    by_age = sorted(packages, key=lambda package: package.verified_at)
    by_touch = sorted((p for p in packages if p.size_bytes >= LARGE), key=lambda package: package.read_at)
    return list(plan([by_age, by_touch], [HOT, COLD], NOW, max_bytes))


def asked(package: Candidate) -> Asked:
    return HOT if package.tier == "hot" else COLD


@given(candidates())
def test_with_time_enough_all_that_is_due_is_planned_once_and_nothing_else(packages):
    due = {p.row for p in packages if (when := due_at(p, asked(p))) is not None and when <= NOW}
    rows = [each.row for each in planned(packages)]
    assert sorted(rows) == sorted(due)


@given(candidates(), st.integers(0, 100 * LARGE))
def test_a_budget_takes_the_first_and_is_kept_but_for_a_single_large_one(packages, max_bytes):
    everything, some = planned(packages), planned(packages, max_bytes)
    assert some == everything[: len(some)]
    assert len(some) <= 1 or sum(each.size_bytes for each in some) <= max_bytes
    assert bool(some) == bool(everything)


@given(candidates())
def test_among_small_packages_of_one_tier_the_longest_unread_come_first(packages):
    small = [replace(package, tier="cold", size_bytes=1000) for package in packages]
    by_row = {package.row: package for package in small}
    order = [by_row[each.row].verified_at for each in planned(small)]
    assert order == sorted(order)


@given(candidates())
def test_what_is_late_is_always_planned(packages):
    late = {package.row for package in packages if is_late(package.verified_at, asked(package), NOW)}
    assert late <= {each.row for each in planned(packages)}


@given(st.lists(AGES, min_size=1, max_size=8), st.sampled_from([1000, LARGE]))
def test_what_is_chosen_is_a_group_and_everything_whose_own_reading_is_due(ages, size_bytes):
    readings = [NOW - age for age in ages]
    chosen = choose(readings, size_bytes, COLD, NOW)
    count = groups(size_bytes, len(readings), COLD)
    assert len(chosen) >= len(readings) / count
    assert all(place in chosen for place, read in enumerate(readings) if read + lead(180 * DAY) <= NOW)
    left = [readings[place] for place in range(len(readings)) if place not in chosen]
    assert all(readings[place] <= each for place in chosen for each in left)


@given(st.sampled_from([(2, HOT), (6, COLD), (3, COLD), (1, HOT)]), st.integers(1, 20))
def test_in_the_course_of_years_no_shard_is_ever_late_and_a_large_package_is_never_read_at_once(
    kind, every_days
):
    """One that starts with all its shards read on the same day, and is looked at every few days."""
    shards, wanted = kind
    readings, now, runs = [NOW] * shards, NOW, []
    every = min(every_days, 9) * DAY  # whoever looks more seldom than the lead allows is late
    while now < NOW + 4 * 365 * DAY:
        now += every
        package = Candidate(1, wanted.tier, LARGE, shards, min(readings), max(readings))
        due = list(plan([[package], [package]], [wanted], now, None))
        if due:
            chosen = choose(readings, LARGE, wanted, now)
            runs.append(len(chosen))
            for place in chosen:
                readings[place] = now
        assert not is_late(min(readings), wanted, now)
    count = groups(LARGE, shards, wanted)
    assert max(runs) <= -(-shards // count)
    rounds = (4 * 365 * DAY) / lead(wanted.full or DAY)
    assert sum(runs) <= shards * (rounds + 2)  # and not much more is read than is asked


@given(st.binary(min_size=32, max_size=32), st.integers(1, 10_000))
def test_a_sample_follows_from_its_seed_and_stays_among_what_there_is(seed, packages):
    some = list(islice(draws(seed, "glacier", packages), 50))
    assert some == list(islice(draws(seed, "glacier", packages), 50))
    assert all(1 <= number <= packages for number in some)


def test_draws_do_not_favour_anybody():
    found = list(islice(draws(bytes(32), "cold", 10), 10_000))
    counts = [found.count(number) for number in range(1, 11)]
    assert min(counts) > 800
    assert max(counts) < 1200
    assert list(islice(draws(bytes(32), "hot", 10), 50)) != found[:50]
    assert list(islice(draws(bytes(32), "cold", 0), 1)) == []


def test_a_sample_has_at_least_one_package_where_there_are_any():
    assert [sample_size(0.02, packages) for packages in (0, 1, 50, 51, 1000)] == [0, 1, 1, 2, 20]
    assert sample_size(0.0, 1000) == 0


def test_a_sample_is_done_before_its_round_is_over():
    began = NOW - 50 * DAY
    assert share_due(began, 100 * DAY, began) == 0.0
    assert 0.5 < share_due(began, 100 * DAY, NOW) < 0.6
    assert share_due(began, 100 * DAY, NOW + 40 * DAY) == 1.0


def test_a_forecast_says_how_long_a_round_takes_and_whether_that_is_enough():
    cold = forecast("cold", 500 * 10**12, 200.0, 90 * DAY)
    assert round(cold.days, 1) == 28.9
    assert cold.is_enough
    assert not forecast("cold", 2000 * 10**12, 200.0, 90 * DAY).is_enough
    assert forecast("cold", 1, 0.0, 90 * DAY).days == float("inf")
    assert forecast("cold", 10**18, 1.0, None).is_enough
