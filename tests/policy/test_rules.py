"""One rule: each sentence of policy.md, in its order."""

from retention.policy.rules import Basis, DeathEffect
from tests.policy.making import AT, FRENCH, decide, fact, policy, rule, said, study

FR = policy(FRENCH)
ADULT = fact("birth", "1960-01-01")


def test_trigger_plus_keep_inclusive():
    decision = decide(FR, study("2006-03-15"), ADULT, fact("last_visit", "2006-03-15"), at="2026-03-15")
    assert said(decision) == ("DETERMINED", "2026-03-15")
    assert not decision.is_expired
    assert decide(FR, study("2006-03-15"), ADULT, at="2026-03-16").is_expired


def test_the_floor_is_a_floor_and_no_addition():
    nine = decide(FR, study("2009-06-01"), fact("birth", "2000-06-01"))
    assert said(nine) == ("DETERMINED", "2029-06-01")
    assert nine.winner_result is not None
    assert nine.winner_result.ends is not None
    assert nine.winner_result.ends.basis is Basis.KEEP
    assert said(decide(FR, study("2005-06-01"), fact("birth", "2000-06-01"))) == ("DETERMINED", "2028-06-01")


def test_base_and_floor_on_the_same_day_name_the_base():
    decision = decide(FR, study("2008-06-01"), fact("birth", "2000-06-01"))
    assert said(decision) == ("DETERMINED", "2028-06-01")
    assert decision.winner_result is not None
    assert decision.winner_result.ends is not None
    assert decision.winner_result.ends.basis is Basis.KEEP


def test_born_on_a_leap_day():
    assert said(decide(FR, study("2004-06-01"), fact("birth", "2003-02-28")))[1] == "2031-02-28"
    seven = policy(rule("P1Y", more="floor: {until_age: 7}"))
    assert said(decide(seven, study("2004-06-01"), fact("birth", "2004-02-29")))[1] == "2011-03-01"


def test_death_counts_strictly_within():
    visit = fact("last_visit", "2010-01-01")
    last_day = decide(FR, study("2010-01-01"), ADULT, visit, fact("death", "2019-12-31"))
    too_late = decide(FR, study("2010-01-01"), ADULT, visit, fact("death", "2020-01-01"))
    assert said(last_day) == ("DETERMINED", "2029-12-31")
    assert said(too_late) == ("DETERMINED", "2030-01-01")
    assert too_late.rules[0].ends is not None
    assert too_late.rules[0].ends.death is DeathEffect.IDLE


def test_without_within_every_death_counts():
    after = policy(rule("P20Y", more="on_death: {keep_from_death: P5Y, may_shorten: true}"))
    assert said(decide(after, study("1990-01-01"), fact("death", "2020-01-01"))) == (
        "DETERMINED",
        "2025-01-01",
    )


def test_death_replaces_base_and_floor_where_it_may_shorten():
    child = [fact("birth", "2000-06-01"), fact("last_visit", "2005-02-10"), fact("death", "2006-03-03")]
    assert said(decide(FR, study("2005-02-10"), *child)) == ("DETERMINED", "2016-03-03")


def test_only_a_verified_death_shortens_and_the_later_of_both_counts_otherwise():
    declared = fact("death", "2022-01-10", declared=True)
    assert said(decide(FR, study("2020-05-04"), ADULT, declared)) == ("DETERMINED", "2040-05-04")
    later = policy(rule("P1Y", more="on_death: {keep_from_death: P10Y, may_shorten: true}"))
    assert said(decide(later, study("2020-05-04"), declared)) == ("DETERMINED", "2032-01-10")


def test_may_shorten_is_false_by_default():
    careful = policy(rule("P20Y", more="on_death: {keep_from_death: P10Y}"))
    assert said(decide(careful, study("2020-05-04"), fact("death", "2022-01-10"))) == (
        "DETERMINED",
        "2040-05-04",
    )
    assert said(decide(careful, study("2020-05-04"), fact("death", "2031-01-10"))) == (
        "DETERMINED",
        "2041-01-10",
    )


def test_a_death_replaces_for_ever_too():
    until_death = policy(rule("forever", more="on_death: {keep_from_death: P10Y, may_shorten: true}"))
    assert said(decide(until_death, study("2000-01-01"))) == ("PERMANENT", None)
    assert said(decide(until_death, study("2000-01-01"), fact("death", "2010-01-01"))) == (
        "DETERMINED",
        "2020-01-01",
    )


def test_a_visit_after_death_is_a_conflict_whatever_the_assurance():
    for death in (fact("death", "2020-01-01"), fact("death", "2020-01-01", declared=True)):
        assert (
            decide(FR, study("2019-01-01"), ADULT, death, fact("last_visit", "2020-02-01")).state
            == "CONFLICT"
        )
        assert decide(FR, study("2020-02-01"), ADULT, death).state == "CONFLICT"
        assert decide(FR, study("2020-01-01"), ADULT, death).state == "DETERMINED"
        assert decide(FR, study("2019-01-01"), ADULT, death, others=[study("2021-01-01")]).state == "CONFLICT"
        assert decide(FR, study("2019-01-01"), ADULT, death, others=[study("2020-01-01")]).state != "CONFLICT"


def test_an_open_suspension_suspends_every_rule_of_its_policy():
    both = policy(
        rule(name="a", match="modality: CT", more="suspend_on: [opposition]"),
        rule(name="b", match="modality: MR"),
    )
    open_fact = fact("opposition", "2010-01-01")
    assert decide(both, study("2006-03-15", modality="MR"), open_fact).state == "SUSPENDED"
    # No rule of the policy speaks of this study, so the policy does not either.
    assert decide(both, study("2006-03-15", modality="US"), open_fact).state == "PERMANENT"


def test_a_suspension_opened_after_the_end_still_blocks():
    decision = decide(FR, study("2000-01-01"), ADULT, fact("liability_appeal", "2025-01-01"))
    assert decision.state == "SUSPENDED"
    assert [suspending.kind for suspending in decision.suspended_by] == ["liability_appeal"]


def test_closed_suspensions_add_their_days_once_and_to_every_rule():
    two = policy(rule(name="a", more="suspend_on: [liability_appeal, opposition]"), rule("P21Y", name="b"))
    overlapping = [
        fact("liability_appeal", "2010-01-01", "2010-01-10"),
        fact("opposition", "2010-01-06", "2010-01-20"),
    ]
    assert said(decide(two, study("2000-01-01"), *overlapping)) == ("DETERMINED", "2021-01-21")


def test_only_days_after_the_trigger_are_added():
    around = fact("liability_appeal", "1999-12-01", "2000-01-10")
    assert said(decide(FR, study("2000-01-01"), ADULT, around)) == ("DETERMINED", "2020-01-10")
    before = fact("liability_appeal", "1999-01-01", "2000-01-01")
    assert said(decide(FR, study("2000-01-01"), ADULT, before)) == ("DETERMINED", "2020-01-01")


def test_a_suspension_counts_against_the_end_as_extended_so_far():
    first = fact("liability_appeal", "2020-01-01", "2020-01-31")  # began on the last day: 31 days
    second = fact("liability_appeal", "2020-02-01", "2020-02-01")  # within the extension: one more
    third = fact("liability_appeal", "2020-02-04", "2021-01-01")  # after the end
    decision = decide(FR, study("2000-01-01"), ADULT, third, second, first)
    assert said(decision) == ("DETERMINED", "2020-02-02")
    assert said(decide(FR, study("2000-01-01"), ADULT, third, second)) == ("DETERMINED", "2020-01-01")


def test_suspended_days_come_after_death():
    appeal = fact("liability_appeal", "2021-01-01", "2021-01-10")
    decision = decide(FR, study("2020-05-04"), ADULT, fact("death", "2022-01-10"), appeal)
    assert said(decision) == ("DETERMINED", "2032-01-20")


def test_a_suspension_whose_beginning_nobody_knows_counts_from_the_trigger():
    assert (
        said(decide(FR, study("2000-01-01"), ADULT, fact("liability_appeal", None, "2000-01-11")))[1]
        == "2020-01-11"
    )


def test_a_later_study_that_matches_makes_the_shorter_period_count():
    us = policy(
        rule(
            "P10Y",
            match="modality: MG",
            trigger="study_date",
            more="unless_followed_by: {match: {modality: MG}, keep: P5Y}",
        )
    )
    first, second = study("2014-04-01", modality="MG"), study("2017-04-01", modality="MG")
    assert said(decide(us, first, others=[second])) == ("DETERMINED", "2019-04-01")
    assert said(decide(us, second, others=[first])) == ("DETERMINED", "2027-04-01")
    assert said(decide(us, first, others=[study("2017-04-01", modality="US")])) == (
        "DETERMINED",
        "2024-04-01",
    )
    same_day = decide(us, first, others=[study("2014-04-01", modality="MG")], at="2020-01-01")
    assert said(same_day) == ("DETERMINED", "2024-04-01")


def test_a_later_study_nobody_knows_the_modality_of_does_not_shorten():
    us = policy(
        rule("P10Y", trigger="study_date", more="unless_followed_by: {match: {modality: MG}, keep: P5Y}")
    )
    unclear = decide(us, study("2020-04-01", modality="MG"), others=[study("2022-01-01")])
    assert (unclear.state, unclear.missing) == ("UNDETERMINED", ("later_studies",))
    assert unclear.next_change_on is not None
    after = decide(us, study("2020-04-01"), others=[study("2022-01-01")], at=unclear.next_change_on)
    assert said(after) == ("DETERMINED", "2030-04-01")


def test_a_maximum_alerts_when_reached_and_never_deletes():
    belgium = policy(rule("P30Y", more="maximum: P50Y"), more="final_action: keep\n")
    visit = study("1970-01-01")
    before = decide(belgium, visit, at="2019-12-31")
    reached = decide(belgium, visit, at="2020-01-01")
    assert (before.alerts, before.next_change_on) == ((), reached.at)
    assert [alert.reached_on.isoformat() for alert in reached.alerts] == ["2020-01-01"]
    assert said(before) == said(reached) == ("DETERMINED", "2000-01-01")


def test_for_ever_is_permanent_and_needs_no_date():
    decision = decide(policy(rule("forever", trigger="last_change")), study())
    assert (decision.state, decision.winner) == ("PERMANENT", "p/r")


def test_of_several_dated_facts_of_a_kind_the_latest_counts():
    visits = [
        fact("last_visit", "2001-01-01"),
        fact("last_visit", "2003-01-01"),
        fact("last_visit", "2002-01-01"),
    ]
    assert said(decide(FR, study("2000-01-01"), ADULT, *visits)) == ("DETERMINED", "2023-01-01")
    births = [fact("birth", "1990-01-01"), fact("birth", "1999-01-01")]
    assert said(decide(FR, study("2000-01-01"), *births)) == ("DETERMINED", "2027-01-01")


def test_a_fact_over_a_period_counts_from_its_last_day():
    treated = policy(rule("P30Y", trigger="last_treatment"))
    assert said(decide(treated, study(), fact("last_treatment", "2000-01-01", "2001-06-01"))) == (
        "DETERMINED",
        "2031-06-01",
    )


def test_study_dates_only_ever_move_the_last_visit_later():
    assert said(decide(FR, study("2010-01-01"), ADULT, fact("last_visit", "2005-01-01"))) == (
        "DETERMINED",
        "2030-01-01",
    )
    others = [study("2012-01-01"), study("2008-01-01")]
    assert said(decide(FR, study("2010-01-01"), ADULT, others=others)) == ("DETERMINED", "2032-01-01")


def test_a_matched_rule_whose_trigger_has_no_date_is_undetermined():
    undated = policy(rule("P30Y", match="fact: transfusion", trigger="transfusion"), rule("P1Y", name="any"))
    decision = decide(undated, study("1990-01-01"), fact("transfusion"), at=AT)
    assert (decision.state, decision.missing, decision.next_change_on) == (
        "UNDETERMINED",
        ("transfusion",),
        None,
    )
    assert said(decide(undated, study("1990-01-01"), at=AT)) == ("DETERMINED", "1991-01-01")


def test_a_recorded_study_date_counts_where_dicom_gave_none_and_never_shortens():
    dated = policy(rule("P10Y", trigger="study_date"))
    assert said(decide(dated, study(), fact("study_date", "2001-01-01"))) == ("DETERMINED", "2011-01-01")
    assert said(decide(dated, study("2005-01-01"), fact("study_date", "2001-01-01"))) == (
        "DETERMINED",
        "2015-01-01",
    )
    assert said(decide(dated, study("2005-01-01"), fact("study_date", "2006-01-01"))) == (
        "DETERMINED",
        "2016-01-01",
    )
    assert (
        said(decide(dated, study("2005-01-01", ingested="2005-02-01"), fact("study_date", "2006-01-01")))[1]
        == "2015-01-01"
    )


def test_ages_at_the_trigger():
    seventeen = policy(
        rule("P1Y", match="age_at_trigger: {from: 17, below: 18}", more="floor: {until_age: 26}")
    )
    assert said(decide(seventeen, study("2025-08-01"), fact("birth", "2008-06-15"))) == (
        "DETERMINED",
        "2034-06-15",
    )
    assert decide(seventeen, study("2026-06-15"), fact("birth", "2008-06-15")).state == "PERMANENT"
