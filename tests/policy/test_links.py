"""Scope, and links between identities of different institutions: they lengthen, and never carry what shortens."""

from dataclasses import replace

from retention.policy.subject import Fact, Study
from tests.policy.making import FRENCH, decide, fact, policy, rule, said, study


def linked_from(told: Fact, entity: str = "group") -> Fact:
    return replace(told, institution="elsewhere", entity=entity)


def elsewhere(on: str, *, entity: str = "group", modality: str = "CT") -> Study:
    return replace(study(on, modality=modality), institution="elsewhere", entity=entity)


def test_institution_scope_counts_only_its_own_visits():
    narrow = policy(rule("P20Y"))
    assert said(decide(narrow, study("2010-01-01"), others=[elsewhere("2015-01-01")])) == (
        "DETERMINED",
        "2030-01-01",
    )
    linked = linked_from(fact("last_visit", "2015-01-01"))
    assert said(decide(narrow, study("2010-01-01"), linked)) == ("DETERMINED", "2030-01-01")


def test_entity_scope_counts_visits_to_the_whole_entity():
    wide = policy(rule("P20Y", more="scope: entity"))
    assert said(decide(wide, study("2010-01-01"), others=[elsewhere("2015-01-01")])) == (
        "DETERMINED",
        "2035-01-01",
    )
    linked = linked_from(fact("last_visit", "2016-01-01"))
    assert said(decide(wide, study("2010-01-01"), linked)) == ("DETERMINED", "2036-01-01")
    foreign = replace(linked, entity="others")
    assert said(decide(wide, study("2010-01-01"), foreign)) == ("DETERMINED", "2030-01-01")
    assert (
        said(decide(wide, study("2010-01-01"), others=[elsewhere("2015-01-01", entity="others")]))[1]
        == "2030-01-01"
    )


def test_a_linked_death_or_birth_never_shortens():
    fr = policy(FRENCH)
    own = [fact("birth", "2000-06-01"), fact("last_visit", "2020-05-04")]
    death = linked_from(fact("death", "2022-01-10"))
    assert said(decide(fr, study("2020-05-04"), *own, fact("death", "2022-01-10"))) == (
        "DETERMINED",
        "2032-01-10",
    )
    assert said(decide(fr, study("2020-05-04"), *own, death)) == ("DETERMINED", "2040-05-04")
    birth = linked_from(fact("birth", "1950-01-01"))
    assert decide(fr, study("2016-05-04"), birth).state == "UNDETERMINED"


def test_a_linked_fact_that_lengthens_counts():
    fr = policy(rule("P1Y"), rule("P30Y", name="t", match="fact: transfusion", trigger="transfusion"))
    transfusion = linked_from(fact("transfusion", "2019-09-09"))
    assert said(decide(fr, study("2020-05-04"), transfusion)) == ("DETERMINED", "2049-09-09")


def test_an_earlier_study_elsewhere_does_not_bound_the_birth_date():
    fr = policy(FRENCH)
    assert decide(fr, study("2016-03-15"), others=[elsewhere("1980-01-01")]).state == "UNDETERMINED"
    assert decide(fr, study("2016-03-15"), others=[study("1980-01-01")]).state == "DETERMINED"


def test_a_later_study_elsewhere_never_makes_the_shorter_period_count():
    wide = policy(
        rule(
            "P10Y",
            more="scope: entity, unless_followed_by: {match: {modality: CT}, keep: P1Y}",
            trigger="study_date",
        )
    )
    assert said(decide(wide, study("2010-01-01"), others=[elsewhere("2012-01-01")])) == (
        "DETERMINED",
        "2020-01-01",
    )
    assert said(decide(wide, study("2010-01-01"), others=[study("2012-01-01", modality="CT")])) == (
        "DETERMINED",
        "2011-01-01",
    )


def test_a_visit_elsewhere_after_death_is_a_conflict_too():
    linked = linked_from(fact("last_visit", "2021-01-01"))
    assert (
        decide(policy(rule()), study("2010-01-01"), fact("death", "2020-01-01"), linked).state == "CONFLICT"
    )
