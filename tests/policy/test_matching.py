"""Matching: each attribute, three-valued, and the logic over it."""

import pytest

from retention.policy.case import Case
from retention.policy.facts import Facts
from retention.policy.matching import compile_match
from retention.policy.subject import Fact, Study
from tests.policy.making import fact, policy, rule, study

BIRTH = fact("birth", "2000-06-15")


def ask(match: str, about: Study, *facts: Fact) -> bool | None:
    document = policy(rule(match=match)).rules[0].match
    return compile_match(document).ask(Case(about, (), Facts(facts)))


@pytest.mark.parametrize(
    ("match", "attributes", "answer"),
    [
        ("modality: CT", {"modality": "CT"}, True),
        ("modality: ct", {"modality": ["PR", "CT"]}, True),
        ("modality: [MR, CT]", {"modality": "CT"}, True),
        ("modality: MR", {"modality": "CT"}, False),
        ("modality: MR", {}, None),
        ("modality: MR", {"modality": []}, None),
        ("modality: MR", {"modality": ["CT", None]}, None),
        ("modality: CT", {"modality": ["CT", None]}, True),
        ("sop_class: 1.2.840.10008.5.1.4.1.1.2", {"sop_class": "1.2.840.10008.5.1.4.1.1.2"}, True),
        ("sop_class: 1.2.840.10008.5.1.4.1.1.2", {"sop_class": "1.2.840.10008.5.1.4.1.1.4"}, False),
        ("body_part: chest", {"body_part": "CHEST "}, True),
        ("body_part: CHEST", {"body_part": "ABDOMEN"}, False),
        ("manufacturer: siemens", {"manufacturer": "SIEMENS"}, True),
        ("manufacturer: siemens", {"manufacturer": "SIEMENS Healthineers"}, False),
        ("department: Radiologie", {"department": "RADIOLOGIE"}, True),
        ("department: Radiologie", {"department": "Chirurgie"}, False),
        ("department: Radiologie", {}, None),
        ("study_description: 'thorax*'", {"study_description": "Thorax face"}, True),
        ("study_description: '*IRM?genou*'", {"study_description": "Examen irm genou g"}, True),
        ("study_description: thorax", {"study_description": "Thorax face"}, False),
        ("study_description: ['a*', 'b*']", {"study_description": "Bassin"}, True),
        ("study_description: 'thorax*'", {}, None),
        ("institution: here", {}, True),
        ("institution: [elsewhere, there]", {}, False),
        ("modality: CT, body_part: CHEST", {"modality": "CT", "body_part": "CHEST"}, True),
        ("modality: CT, body_part: CHEST", {"modality": "CT"}, None),
        ("modality: CT, body_part: CHEST", {"modality": "MR"}, False),
    ],
)
def test_attributes_match_without_case_and_unknown_ones_are_unknown(match, attributes, answer):
    assert ask(match, study("2020-01-01", **attributes)) is answer


@pytest.mark.parametrize(
    ("match", "on", "answer"),
    [
        ("study_date: {from: 2020-01-01}", "2020-01-01", True),
        ("study_date: {from: 2020-01-01}", "2019-12-31", False),
        ("study_date: {before: 2020-01-01}", "2019-12-31", True),
        ("study_date: {before: 2020-01-01}", "2020-01-01", False),
        ("study_date: {from: 2019-01-01, before: 2020-01-01}", "2019-06-01", True),
        ("study_date: {from: 2019-01-01, before: 2020-01-01}", "2018-06-01", False),
        ("study_date: {from: 2020-01-01}", None, None),
        ("age_at_study: {below: 18}", "2018-06-14", True),
        ("age_at_study: {below: 18}", "2018-06-15", False),
        ("age_at_study: {from: 18}", "2018-06-15", True),
        ("age_at_study: {from: 18, below: 20}", "2019-06-15", True),
        ("age_at_study: {from: 18, below: 20}", "2020-06-15", False),
        ("age_at_study: {from: 0}", None, True),
        ("age_at_study: {from: 18}", None, None),
    ],
)
def test_days_and_ages_turn_on_the_day(match, on, answer):
    assert ask(match, study(on), BIRTH) is answer


def test_an_age_is_known_without_a_birth_date_where_bounds_decide_it():
    assert ask("age_at_study: {from: 18}", study("2020-01-01"), fact("diagnosis", "1990-01-01")) is True
    assert ask("age_at_study: {from: 18}", study("2020-01-01")) is None


def test_a_fact_matches_if_it_stands_dated_or_not():
    assert ask("fact: transfusion", study(), fact("transfusion")) is True
    assert ask("fact: [transplant, transfusion]", study(), fact("transfusion", "2000-01-01")) is True
    assert ask("fact: transfusion", study(), fact("transplant")) is False


TRUTHS = {True: "modality: CT", False: "modality: MR", None: "department: x"}


@pytest.mark.parametrize("one", TRUTHS)
@pytest.mark.parametrize("other", TRUTHS)
def test_all_one_of_and_not_are_kleenes(one, other):
    about = study("2020-01-01", modality="CT")
    parts = f"[{{{TRUTHS[one]}}}, {{{TRUTHS[other]}}}]"
    both = False if False in (one, other) else None if None in (one, other) else True
    either = True if True in (one, other) else None if None in (one, other) else False
    assert ask(f"all: {parts}", about) is both
    assert ask(f"one_of: {parts}", about) is either
    assert ask(f"not: {{{TRUTHS[one]}}}", about) is (None if one is None else not one)


def test_matches_nest():
    match = "all: [{one_of: [{modality: MR}, {not: {body_part: HEAD}}]}, {fact: birth}]"
    assert ask(match, study(modality="CT", body_part="CHEST"), BIRTH) is True
    assert ask(match, study(modality="CT", body_part="HEAD"), BIRTH) is False
    assert ask(match, study(modality="CT"), BIRTH) is None
    assert ask(match, study(modality="CT")) is False


def test_only_attributes_of_the_language_can_be_given():
    with pytest.raises(ValueError, match="policies do not match on accession"):
        Study.of(attributes={"accession": "1"})
    with pytest.raises(ValueError, match="single texts"):
        Study.of(attributes={"department": ["a", "b"]})
