"""Decisions as sentences in English and French, and as JSON."""

import json

import pytest
from hypothesis import given

from retention.markup.text import say
from retention.policy import sentences
from retention.policy.decision import Reason
from retention.policy.explain import explain, rule_sentence, stay_sentence
from retention.policy.match_words import match_words
from retention.policy.plan import CompiledPlan
from retention.policy.record import decision_record
from retention.policy.subject import Hold
from retention.policy.words import FACT_KINDS
from tests.policy.making import (
    ANY_VISIT,
    FRENCH,
    HOLD,
    RULES,
    built,
    day,
    decide,
    fact,
    facts,
    plan,
    policy,
    rule,
    studies,
    study,
)

FR = policy(FRENCH, more="final_action: destroy\ndisposal: {approvals: [director]}\n")
CHILD = fact("birth", "2000-06-01")


def english(decision, stay=None):
    return [text.en for text in explain(decision, stay)]


def test_a_determined_study():
    decision = decide(FR, study("2005-02-10"), CHILD, fact("last_visit", "2005-02-10"))
    assert english(decision) == [
        "DETERMINED: kept until 2028-06-01 inclusive, by p/twenty-years.",
        (
            "p/twenty-years (version 1): last visit 2005-02-10 (test, verified) + 20 years = 2025-02-10; "
            "raised to the day of age 28, 2028-06-01; ends 2028-06-01."
        ),
        "From 2028-06-02 on it may be proposed for destruction.",
    ]
    assert [text.fr for text in explain(decision)] == [
        "DETERMINED : conservée jusqu'au 2028-06-01 inclus, par p/twenty-years.",
        (
            "p/twenty-years (version 1) : la dernière visite 2005-02-10 (test, vérifié) + 20 ans = 2025-02-10 ; "
            "porté au jour des 28 ans, le 2028-06-01 ; fin le 2028-06-01."
        ),
        "À partir du 2028-06-02 sa destruction peut être proposée.",
    ]


def test_an_undetermined_study_says_what_is_missing_and_until_when():
    assert english(decide(FR, study("2016-03-15"), at="2026-11-24"))[:2] == [
        "UNDETERMINED: kept, because this is not known: birth date.",
        "Whatever it turns out to be, no rule asks for more than 2044-03-15.",
    ]
    never = decide(policy(rule(trigger="diagnosis")), study("2016-03-15"))
    assert english(never) == [
        "UNDETERMINED: kept, because this is not known: day of diagnosis.",
        "Nothing bounds how long the rules may ask for.",
        "p/r (version 1): day of diagnosis is not known, so no end can be computed.",
    ]


@pytest.mark.parametrize(
    ("facts_told", "part"),
    [
        ([fact("death", "2006-01-01")], "replaced by death 2006-01-01 + 10 years = 2016-01-01"),
        ([fact("death", "2020-01-01")], "the death of 2020-01-01 came too late to count"),
        (
            [fact("death", "2006-01-01", declared=True)],
            "death 2006-01-01 + 10 years = 2016-01-01 is not later, and may not shorten",
        ),
        ([fact("death")], "what the death changes is not known"),
        ([fact("liability_appeal", "2010-01-01", "2010-01-10")], "10 suspended days added"),
        ([], "raised to the day of age 28, 2028-06-01"),
    ],
)
def test_each_step_of_a_rule_is_said(facts_told, part):
    decision = decide(FR, study("2005-02-10"), CHILD, *facts_told)
    assert part in rule_sentence(decision.rules[0]).en


def test_a_death_that_lengthens_is_said():
    later = policy(rule("P1Y", more="on_death: {keep_from_death: P10Y}"))
    decision = decide(later, study("2005-02-10"), fact("death", "2006-01-01"))
    assert "raised to death 2006-01-01 + 10 years = 2016-01-01" in rule_sentence(decision.rules[0]).en


def test_a_floor_that_rests_on_a_guess_says_so():
    decision = decide(FR, study("2016-03-15"))
    assert (
        "2044-03-15 at the latest, since the birth date is not known" in rule_sentence(decision.rules[0]).en
    )


def test_followed_studies_are_said():
    us = policy(
        rule("P10Y", trigger="study_date", more="unless_followed_by: {match: {modality: MG}, keep: P5Y}")
    )
    followed = decide(us, study("2014-04-01"), others=[study("2017-04-01", modality="MG")])
    assert rule_sentence(followed.rules[0]).en == (
        "p/r (version 1): study date 2014-04-01 (study date) + 5 years = 2019-04-01, "
        "the shorter period because a later study follows on 2017-04-01; ends 2019-04-01."
    )
    unclear = decide(us, study("2014-04-01"), others=[study("2017-04-01")])
    assert "unless a later study whose attributes are not known follows" in rule_sentence(unclear.rules[0]).en


def test_rules_that_do_not_apply_or_may_say_why():
    both = policy(ANY_VISIT, rule(name="ct", match="all: [{modality: [CT, MR]}, {not: {fact: transplant}}]"))
    silent = decide(both, study("2020-01-01", modality="US"))
    assert rule_sentence(silent.rules[0]).en == (
        "p/ct (version 1): does not apply; it is for studies where modality is CT or MR "
        "and not (a fact stands: transplant)."
    )
    maybe = decide(both, study("2020-01-01"))
    assert rule_sentence(maybe.rules[0]).en.startswith(
        "p/ct (version 1): may apply (not known: modality); if so, last visit"
    )


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ("any: true", "anything holds"),
        ("one_of: [{body_part: HEAD}, {department: x}]", "body part is HEAD or department is x"),
        ("study_description: 'a*'", "description is a*"),
        ("age_at_study: {from: 18, below: 80}", "the age at the study is from 18 to below 80"),
        ("age_at_study: {below: 18}", "the age at the study is below 18"),
        ("age_at_trigger: {from: 18}", "the age then is 18 or more"),
        ("study_date: {from: 2000-01-01}", "study date is 2000-01-01 or later"),
        ("study_date: {before: 2000-01-01}", "study date is before 2000-01-01"),
        (
            "study_date: {from: 2000-01-01, before: 2001-01-01}",
            "study date is from 2000-01-01 and before 2001-01-01",
        ),
    ],
)
def test_matches_in_words(match, words):
    said = match_words(policy(rule(match=match)).rules[0].match)
    assert said.en == words
    assert said.fr != words


def test_holds_alerts_and_moves_are_said():
    held = decide(
        FR, study("2005-02-10"), CHILD, holds=[HOLD, Hold("2", "dpo", "request", day("2027-01-01"))]
    )
    assert english(held)[:3] == [
        "HELD: a legal hold keeps it, whatever the rules say.",
        "Hold 1, owner legal: court order.",
        "Hold 2, owner dpo: request. To be reassessed on 2027-01-01.",
    ]
    reached = decide(policy(rule("P1Y", more="maximum: P5Y")), study("2000-01-01"))
    assert "p/r: the maximum was reached on 2005-01-01." in " ".join(english(reached))
    plans = CompiledPlan(plan("tiers: [{tier: hot, for: P1Y}, {tier: cold}]\n"))
    stay = plans.stay(study("2026-06-01"), day("2026-11-24"))
    assert english(held, stay)[-1] == "It lies on hot and moves to cold on 2027-06-01."
    assert stay_sentence(plans.stay(study("2000-01-01"), day("2026-11-24"))).en == "It stays on cold."


def test_every_word_has_a_name_in_both_languages():
    assert set(FACT_KINDS) <= set(sentences.NAMES)
    assert set(sentences.STATE) == set(Reason)


@given(RULES, studies(), facts())
def test_any_decision_can_be_explained_and_recorded(one, about, known):
    decision = decide(built([one]), about, *known)
    for text in explain(decision):
        for language in ("en", "fr"):
            assert say(text, language)
            assert "None" not in say(text, language)
            assert "{" not in say(text, language)
    record = json.loads(json.dumps(decision_record(decision)))
    assert record["state"] == decision.state
    assert len(record["rules"]) == len(decision.rules)
    assert "9999" not in json.dumps({**record, "rules": []})


def test_a_record_holds_everything_that_was_considered():
    record = decision_record(
        decide(FR, study("2005-02-10"), CHILD, fact("last_visit", "2005-02-10"), holds=[HOLD])
    )
    rules = record.pop("rules")
    assert isinstance(rules, list)
    (considered,) = rules
    assert record == {
        "at": "2026-11-24",
        "state": "HELD",
        "reason": "hold",
        "keep_until": None,
        "latest_until": "2028-06-01",
        "winner": None,
        "final_action": "destroy",
        "undetermined": [],
        "holds": [{"id": "1", "owner": "legal", "reason": "court order", "reassess_on": None}],
        "suspended_by": [],
        "alerts": [],
        "next_change_on": None,
    }
    assert considered["policy_digest"] == FR.digest()
    assert considered["fact"] == {
        "kind": "last_visit",
        "from": "2005-02-10",
        "to": None,
        "assurance": "verified",
        "source": "test",
        "institution": None,
    }
    assert (considered["base_on"], considered["floor_on"], considered["end_on"]) == (
        "2025-02-10",
        "2028-06-01",
        "2028-06-01",
    )
    assert considered["legal_basis"] == {"text": "test", "checked_on": "2026-11-24", "status": "unverified"}
