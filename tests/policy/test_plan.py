"""Tiers and fixity: where a study should lie, when it moves, how often it is read back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.policy.loading import load_policies, unknown_tiers
from retention.policy.plan import CompiledPlan, FixityDue, fixity_of
from tests.policy.making import DAYS, day, plan, study

STANDARD = plan(
    """tiers:
  - {tier: hot, for: P3Y, from: study_date, unless_accessed_within: P90D}
  - {tier: cold, for: P5Y}
  - {tier: glacier}
tiers_for:
  - match: {modality: [CT, MR]}
    tiers: [{tier: hot, for: P1Y}, {tier: glacier}]
  - match: {modality: CT}
    tiers: [{tier: never}]
fixity:
  hot: {full: P90D}
  glacier: {sample: 2%, every: P1Y, full: P10Y, on_recall: full}
"""
)
COMPILED = CompiledPlan(STANDARD)
FILM = study("2020-01-31", modality="DX")


@pytest.mark.parametrize(
    ("at", "tier", "next_tier", "move_on"),
    [
        ("2020-01-31", "hot", "cold", "2023-01-31"),
        ("2023-01-30", "hot", "cold", "2023-01-31"),
        ("2023-01-31", "cold", "glacier", "2028-01-31"),
        ("2028-01-31", "glacier", None, None),
        ("2010-01-01", "hot", "cold", "2023-01-31"),
    ],
)
def test_each_for_starts_where_the_former_ended(at, tier, next_tier, move_on):
    stay = COMPILED.stay(FILM, day(at))
    assert (stay.tier, stay.next_tier, stay.move_on and str(stay.move_on)) == (tier, next_tier, move_on)
    assert stay.rule == "plan/tiers"


def test_the_first_list_that_matches_counts():
    stay = COMPILED.stay(study("2020-01-31", modality="CT"), day("2020-06-01"))
    assert (stay.tier, str(stay.move_on), stay.rule) == ("hot", "2021-01-31", "plan/tiers_for[0]")


def test_an_unknown_attribute_matches_no_list():
    assert COMPILED.stay(study("2020-01-31"), day("2020-06-01")).rule == "plan/tiers"


def test_without_a_study_date_the_day_of_ingest_counts_and_without_both_it_stays():
    assert str(COMPILED.stay(study(ingested="2020-01-31"), day("2020-06-01")).move_on) == "2023-01-31"
    nothing = COMPILED.stay(study(), day("2080-01-01"))
    assert (nothing.tier, nothing.next_tier, nothing.move_on) == ("hot", "cold", None)
    by_ingest = CompiledPlan(plan("tiers: [{tier: hot, for: P1Y, from: ingest_date}, {tier: cold}]\n"))
    assert (
        str(by_ingest.stay(study("2000-01-01", ingested="2020-01-31"), day("2020-06-01")).move_on)
        == "2021-01-31"
    )
    assert by_ingest.stay(study("2000-01-01"), day("2020-06-01")).move_on is None


def test_reading_delays_the_end_of_the_row_and_shifts_the_later_ones():
    accessed = day("2023-01-10")
    stay = COMPILED.stay(FILM, day("2023-02-01"), accessed)
    assert (stay.tier, str(stay.move_on)) == ("hot", "2023-04-10")
    assert str(COMPILED.stay(FILM, day("2023-04-10"), accessed).move_on) == "2028-04-10"
    early = COMPILED.stay(FILM, day("2021-01-01"), day("2020-02-01"))
    assert str(early.move_on) == "2023-01-31"


def test_nothing_is_due_to_a_faster_tier():
    late = COMPILED.stay(FILM, day("2023-02-01"), day("2023-01-10"))
    assert late.tier == "hot"
    assert not COMPILED.is_due(FILM, "cold", late)
    assert not COMPILED.is_due(FILM, "hot", late)
    aged = COMPILED.stay(FILM, day("2030-01-01"))
    assert COMPILED.is_due(FILM, "hot", aged)
    assert COMPILED.is_due(FILM, "cold", aged)
    assert not COMPILED.is_due(FILM, "glacier", aged)
    assert COMPILED.is_due(FILM, "a tier of another plan", aged)
    assert COMPILED.order_for(FILM) == ["hot", "cold", "glacier"]


@given(DAYS, st.integers(0, 20_000), st.none() | DAYS)
def test_the_next_move_is_honest(on, days, accessed_on):
    about = study(on.isoformat(), modality="DX")
    at = on + timedelta(days=days)
    stay = COMPILED.stay(about, at, accessed_on)
    if stay.move_on is None:
        assert stay.tier == "glacier"
        return
    assert stay.move_on > at
    assert COMPILED.stay(about, stay.move_on - timedelta(days=1), accessed_on).tier == stay.tier
    assert COMPILED.stay(about, stay.move_on, accessed_on).tier == stay.next_tier
    assert COMPILED.stay(about, stay.move_on, accessed_on).since_on == stay.move_on


@given(DAYS, st.integers(0, 20_000), DAYS)
def test_an_access_never_moves_a_study_earlier(on, days, accessed_on):
    about = study(on.isoformat(), modality="DX")
    order = COMPILED.order_for(about)
    at = on + timedelta(days=days)
    assert order.index(COMPILED.stay(about, at, accessed_on).tier) <= order.index(
        COMPILED.stay(about, at).tier
    )


def test_fixity_of_a_tier():
    glacier = fixity_of([STANDARD], "glacier")
    assert (str(glacier.full_every), glacier.sample, str(glacier.sample_every)) == ("P10Y", 0.02, "P1Y")
    assert glacier.is_full_on_recall
    assert fixity_of([STANDARD], "cold") == FixityDue(None, None, None, is_full_on_recall=False)


def test_where_plans_share_a_tier_the_stricter_counts():
    other = plan("tiers: [{tier: hot}]\nfixity: {hot: {full: P30D}, glacier: {sample: 5%, every: P2Y}}\n")
    assert str(fixity_of([STANDARD, other], "hot").full_every) == "P30D"
    glacier = fixity_of([STANDARD, other], "glacier")
    assert (glacier.sample, str(glacier.sample_every), str(glacier.full_every)) == (0.05, "P1Y", "P10Y")


def test_a_tier_the_archive_does_not_have_is_a_fault():
    head = "apiVersion: retention/v1\nkind: StoragePlan\nname: p\n"
    text = f"{head}tiers: [{{tier: hott, for: P1Y}}, {{tier: cold}}]\nfixity: {{glacer: {{full: P1Y}}}}\n"
    (loaded,) = load_policies(text, "p.yaml").documents
    faults = unknown_tiers(loaded, ["hot", "cold", "glacier"])
    assert [f"{fault.line}:{fault.column} {fault}" for fault in faults] == [
        "4:16 this archive has no tier `hott`; it has hot, cold, glacier; did you mean `hot`?",
        "5:10 this archive has no tier `glacer`; it has hot, cold, glacier; did you mean `glacier`?",
    ]
