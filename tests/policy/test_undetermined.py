"""One rule 5 and Matching: what nobody knows matters only if some value of it could change the outcome."""

import pytest

from retention.policy.decision import Reason
from retention.policy.worlds import CASES
from tests.policy.making import FRENCH, HOLD, decide, fact, policy, rule, said, study

FR = policy(FRENCH)
GERMAN = policy(
    rule("P10Y", name="adult", match="age_at_study: {from: 18}", trigger="study_date"),
    rule("P28Y", name="minor", match="age_at_study: {below: 18}", trigger="birth"),
)


def test_g_a_missing_birth_date_matters_while_a_newborn_would_be_kept_longer():
    visit = fact("last_visit", "2006-03-15")
    before = decide(FR, study("2006-03-15"), visit, at="2034-03-15")
    assert (before.state, before.missing, before.keep_until) == ("UNDETERMINED", ("birth",), None)
    assert str(before.latest_on) == "2034-03-15"
    assert str(before.next_change_on) == "2034-03-16"
    after = decide(FR, study("2006-03-15"), visit, at="2034-03-16")
    assert said(after) == ("DETERMINED", "2034-03-15")
    assert (after.reason, after.winner, after.next_change_on) == (
        Reason.LATEST_POSSIBLE,
        "p/twenty-years",
        None,
    )


def test_birth_is_bounded_by_the_earliest_dated_fact_or_study():
    seen = study("2006-03-15")
    earlier_fact = decide(FR, seen, fact("diagnosis", "1990-05-05"))
    earlier_study = decide(FR, seen, others=[study("1990-05-05")])
    for decision in (earlier_fact, earlier_study):
        assert said(decision) == ("DETERMINED", "2026-03-15")
        assert decision.reason is Reason.RULES
    assert str(decide(FR, seen, fact("diagnosis", "2001-05-05")).latest_on) == "2029-05-05"
    assert decide(FR, seen, others=[study(ingested="1990-05-05")]).state == "DETERMINED"


def test_the_floor_does_not_matter_once_the_base_is_later():
    decision = decide(policy(rule("P30Y", more="floor: {until_age: 28}")), study("2020-01-01"))
    assert said(decision) == ("DETERMINED", "2050-01-01")
    assert decision.rules[0].missing == ()


def test_death_that_replaces_the_floor_makes_the_birth_date_idle():
    decision = decide(FR, study("2006-03-15"), fact("death", "2010-01-01"))
    assert said(decision) == ("DETERMINED", "2020-01-01")


def test_absence_of_any_other_fact_means_that_it_did_not_happen():
    transfusion = policy(
        rule("P1Y"), rule("P30Y", name="t", match="fact: transfusion", trigger="transfusion")
    )
    assert said(decide(transfusion, study("2000-01-01"))) == ("DETERMINED", "2001-01-01")


def test_an_unknown_attribute_leaves_it_undetermined_unless_every_outcome_is_the_same():
    by_modality = policy(rule("P5Y", name="all"), rule("P10Y", name="ct", match="modality: CT"))
    unknown = decide(by_modality, study("2020-01-01"))
    assert (unknown.state, unknown.missing, str(unknown.latest_on)) == (
        "UNDETERMINED",
        ("modality",),
        "2030-01-01",
    )
    shorter = policy(rule("P10Y", name="all"), rule("P5Y", name="ct", match="modality: CT"))
    assert said(decide(shorter, study("2020-01-01"))) == ("DETERMINED", "2030-01-01")
    equal = policy(
        rule("P10Y", name="ct", match="modality: CT"), rule("P10Y", name="not", match="not: {modality: CT}")
    )
    decision = decide(equal, study("2020-01-01"))
    assert (said(decision), decision.winner) == (("DETERMINED", "2030-01-01"), "p/ct")


def test_where_no_rule_may_apply_for_ever_is_among_the_outcomes():
    only_ct = policy(rule("P5Y", match="modality: CT"))
    decision = decide(only_ct, study("1950-01-01"))
    assert (decision.state, decision.latest_on, decision.next_change_on) == ("UNDETERMINED", None, None)


def test_of_complementary_matches_exactly_one_applies():
    """Birth unknown: an adult's ten years or a minor's to 28, never both and never neither."""
    decision = decide(GERMAN, study("2010-03-01"))
    assert (decision.state, decision.missing, str(decision.latest_on)) == (
        "UNDETERMINED",
        ("birth",),
        "2038-03-01",
    )
    passed = decide(GERMAN, study("1998-03-01"))
    assert (said(passed), passed.winner) == (("DETERMINED", "2026-03-01"), "p/minor")


def test_complementary_dates_of_a_study_without_one():
    split = policy(
        rule("P15Y", name="old", match="study_date: {before: 2010-01-01}", trigger="study_date"),
        rule("P20Y", name="new", match="study_date: {from: 2010-01-01}", trigger="study_date"),
    )
    undated = study(ingested="2012-06-01")
    decision = decide(split, undated)
    assert (decision.state, decision.missing, str(decision.latest_on)) == (
        "UNDETERMINED",
        ("study_date",),
        "2032-06-01",
    )
    assert said(decide(split, undated, at="2032-06-02")) == ("DETERMINED", "2032-06-01")
    early = study(ingested="2005-06-01")  # then only the old rule can apply
    assert said(decide(split, early)) == ("DETERMINED", "2020-06-01")


@pytest.mark.parametrize("written", ["19800000", "20050231", "2005", "", "nonsense", "18991231"])
def test_a_partial_impossible_or_too_early_study_date_is_missing(written):
    from retention.policy.subject import Study

    about = Study.of(written, institution="here", attributes={"modality": "CT"})
    assert about.study_on is None
    decision = decide(policy(rule("P1Y", trigger="study_date")), about)
    assert (decision.state, decision.missing) == ("UNDETERMINED", ("study_date",))


def test_a_study_date_after_ingest_is_missing_and_bounded_by_it():
    about = study("2010-01-02", ingested="2010-01-01")
    decision = decide(policy(rule("P20Y", trigger="study_date")), about)
    assert (decision.state, str(decision.latest_on)) == ("UNDETERMINED", "2030-01-01")
    assert said(decide(policy(rule("P10Y", trigger="study_date")), about)) == ("DETERMINED", "2020-01-01")
    assert study("2010-01-01", ingested="2010-01-01").study_on is not None


def test_an_undated_study_may_have_moved_the_last_visit():
    visit = fact("last_visit", "2000-01-01")
    late = decide(policy(rule("P20Y")), study(ingested="2015-01-01"), visit)
    assert (late.state, late.missing, str(late.latest_on)) == ("UNDETERMINED", ("last_visit",), "2035-01-01")
    assert said(decide(policy(rule("P20Y")), study(ingested="1999-01-01"), visit)) == (
        "DETERMINED",
        "2020-01-01",
    )


def test_suspended_days_of_a_study_nobody_dated_count_from_the_earliest_it_can_be():
    floored = policy(
        rule("P1Y", trigger="study_date", more="floor: {until_age: 28}, suspend_on: [opposition]")
    )
    known = [fact("birth", "2000-06-01"), fact("opposition", "2005-01-01", "2005-12-31")]
    decision = decide(floored, study(ingested="2010-01-01"), *known)
    assert str(decision.latest_on) == "2029-06-01"
    assert said(decide(floored, study("2004-12-31"), *known)) == ("DETERMINED", "2029-06-01")
    assert said(decide(floored, study("2006-01-01"), *known)) == ("DETERMINED", "2028-06-01")


def test_another_undated_study_may_have_moved_the_last_visit_too():
    decision = decide(policy(rule("P20Y")), study("2010-01-01"), others=[study(ingested="2015-01-01")])
    assert (decision.state, str(decision.latest_on)) == ("UNDETERMINED", "2035-01-01")
    assert decide(policy(rule("P20Y")), study("2010-01-01"), others=[study()]).next_change_on is None


def test_a_study_without_any_day_moves_nothing_where_the_last_visit_is_recorded():
    """Only in examples: an archive knows when it received a study."""
    visit, birth = fact("last_visit", "2006-03-15"), fact("birth", "1960-01-01")
    assert said(decide(FR, study(), visit, birth)) == ("DETERMINED", "2026-03-15")
    assert said(decide(FR, study("2001-01-01"), visit, birth, others=[study()])) == (
        "DETERMINED",
        "2026-03-15",
    )
    assert said(decide(FR, study(), visit, birth, fact("death", "2007-01-01"))) == (
        "DETERMINED",
        "2017-01-01",
    )
    assert decide(FR, study(), birth).state == "UNDETERMINED"


def test_where_nobody_knows_whether_a_death_came_in_time_both_ends_are_possible():
    """Made by 2005: the death came too late and 20 years count; made after: one year from the death."""
    law = policy(
        rule(
            "P20Y",
            trigger="study_date",
            more="on_death: {within: P10Y, keep_from_death: P1Y, may_shorten: true}",
        )
    )
    undated, death = study(ingested="2010-01-01"), fact("death", "2015-01-01")
    assert said(decide(law, study("2005-01-01"), death)) == ("DETERMINED", "2025-01-01")
    assert said(decide(law, study("2005-01-02"), death)) == ("DETERMINED", "2016-01-01")
    decision = decide(law, undated, death, at="2020-01-01")
    assert decision.state == "UNDETERMINED"
    assert str(decision.latest_on) >= "2025-01-01"


def test_an_undated_study_of_somebody_who_died_before_it_came_in_is_kept():
    law, death = policy(rule("P1Y", trigger="study_date")), fact("death", "2010-01-01")
    decision = decide(law, study(ingested="2010-01-02"), death)
    assert (decision.state, decision.missing, decision.next_change_on) == (
        "UNDETERMINED",
        ("study_date",),
        None,
    )
    assert said(decide(law, study(ingested="2010-01-01"), death)) == ("DETERMINED", "2011-01-01")
    beside = decide(law, study("2000-01-01"), death, others=[study(ingested="2012-01-01")])
    assert (beside.state, beside.missing) == ("UNDETERMINED", ("study_date",))


def test_a_rule_for_older_studies_counts_from_the_last_day_it_can():
    split = policy(
        rule("P20Y", name="old", match="study_date: {before: 2010-01-01}", trigger="study_date"),
        rule("P1Y", name="new", match="study_date: {from: 2010-01-01}", trigger="study_date"),
    )
    decision = decide(split, study(ingested="2012-06-01"))
    assert str(decision.latest_on) == "2029-12-31"


def test_a_death_without_a_date_never_shortens_and_may_lengthen():
    adult = fact("birth", "1950-01-01")
    shortens = decide(FR, study("2020-01-01"), adult, fact("death"))
    assert (shortens.state, shortens.missing) == ("UNDETERMINED", ("death",))
    assert str(shortens.latest_on) == "2040-01-01"
    lengthens = policy(rule("P1Y", more="on_death: {within: P10Y, keep_from_death: P8Y}"))
    decision = decide(lengthens, study("2020-01-01"), fact("death"))
    assert (decision.state, str(decision.latest_on)) == ("UNDETERMINED", "2037-12-31")
    unbounded = policy(rule("P1Y", more="on_death: {keep_from_death: P8Y}"))
    assert decide(unbounded, study("1950-01-01"), fact("death")).next_change_on is None


def test_a_rule_that_cannot_matter_is_not_named_missing():
    both = policy(
        rule("P50Y", name="long"),
        rule("P1Y", name="short", match="department: surgery"),
        rule("P60Y", name="ct", match="modality: CT"),
    )
    decision = decide(both, study("2020-01-01"))
    assert decision.missing == ("modality",)


def test_permanent_wins_over_what_is_unknown():
    both = policy(
        rule("forever", name="keep", match="modality: SR"), rule("P1Y", name="t", trigger="diagnosis")
    )
    assert said(decide(both, study("2020-01-01", modality=["CT", "SR"]))) == ("PERMANENT", None)


def test_a_series_without_a_modality_leaves_the_modality_open():
    ct = policy(rule("P5Y", name="all"), rule("P10Y", name="ct", match="modality: CT"))
    assert decide(ct, study("2020-01-01", modality=["MR", None])).state == "UNDETERMINED"
    assert said(decide(ct, study("2020-01-01", modality=["CT", None]))) == ("DETERMINED", "2030-01-01")


def test_too_many_open_questions_are_bounded_and_still_keep():
    count = CASES.bit_length() + 2
    many = [rule("P5Y", name=f"d{number}", match=f"department: d{number}") for number in range(count)]
    decision = decide(policy(*many), study("1950-01-01"))
    assert (decision.state, decision.latest_on) == ("UNDETERMINED", None)
    with_rule_for_all = decide(policy(*many, rule("P1Y", name="all")), study("1950-01-01"))
    assert said(with_rule_for_all) == ("DETERMINED", "1955-01-01")


def test_what_is_unknown_does_not_hide_a_hold():
    assert decide(FR, study("2006-03-15"), holds=[HOLD]).state == "HELD"
