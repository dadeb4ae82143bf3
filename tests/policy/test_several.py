"""States, several policies, versions in force: which rules count, and which state comes first."""

import itertools

import pytest

from retention.policy.decision import Reason, would_shorten
from retention.policy.enacted import Enacted, PolicySet
from retention.policy.words import FinalAction
from tests.policy.making import FRENCH, HOLD, day, decide, fact, policy, rule, said, study

ADULT = fact("birth", "1950-01-01")
DESTROY = "final_action: destroy\ndisposal: {approvals: [director]}\n"


def test_states_come_in_their_order():
    fr = policy(FRENCH, rule("forever", name="sr", match="modality: SR"))
    appeal, death = fact("liability_appeal", "2010-01-01"), fact("death", "2001-01-01")
    report = study("2006-03-15", modality=["CT", "SR"])
    assert decide(fr, report, ADULT, appeal, death, holds=[HOLD]).state == "HELD"
    assert decide(fr, report, ADULT, appeal, death).state == "CONFLICT"
    assert decide(fr, report, ADULT, appeal).state == "SUSPENDED"
    assert decide(fr, report, ADULT).state == "PERMANENT"
    assert decide(fr, study("2016-03-15", modality="CT")).state == "UNDETERMINED"
    assert decide(fr, study("2016-03-15", modality="CT"), ADULT).state == "DETERMINED"


@pytest.mark.parametrize("state", ["HELD", "CONFLICT", "SUSPENDED", "PERMANENT", "UNDETERMINED"])
def test_only_what_is_determined_has_an_end(state):
    fr = policy(FRENCH, rule("forever", name="sr", match="modality: SR"))
    decision = {
        "HELD": lambda: decide(fr, study("2006-03-15", modality="CT"), ADULT, holds=[HOLD]),
        "CONFLICT": lambda: decide(
            fr, study("2006-03-15", modality="CT"), ADULT, fact("death", "2001-01-01")
        ),
        "SUSPENDED": lambda: decide(
            fr, study("2006-03-15", modality="CT"), ADULT, fact("liability_appeal", "2001-01-01")
        ),
        "PERMANENT": lambda: decide(fr, study("2006-03-15", modality="SR"), ADULT),
        "UNDETERMINED": lambda: decide(fr, study("2016-03-15", modality="CT")),
    }[state]()
    assert (decision.state, decision.keep_until, decision.is_expired) == (state, None, False)


def test_no_policy_or_no_matching_rule_keeps_for_ever():
    nothing = decide([], study("1950-01-01"))
    assert (said(nothing), nothing.reason, nothing.winner) == (("PERMANENT", None), Reason.NO_POLICY, None)
    silent = decide(policy(rule(match="modality: MG")), study("1950-01-01", modality="CT"))
    assert (said(silent), silent.reason, silent.winner) == (("PERMANENT", None), Reason.NO_RULE, None)
    assert nothing.final_action is silent.final_action is FinalAction.KEEP


def test_all_rules_of_all_policies_apply_and_the_longest_wins():
    policies = [policy(rule("P10Y"), name="a"), policy(rule("P30Y"), rule("P5Y", name="s"), name="b")]
    decision = decide(policies, study("2000-01-01"))
    assert (said(decision), decision.winner) == (("DETERMINED", "2030-01-01"), "b/r")
    assert [result.name for result in decision.rules] == ["a/r", "b/r", "b/s"]


def test_ties_go_to_the_smallest_name_whatever_the_order():
    rules = [rule("P10Y", name="b"), rule("P10Y", name="a"), rule("P120M", name="c")]
    for order in itertools.permutations(rules):
        assert decide(policy(*order), study("2000-01-01")).winner == "p/a"
    both = [policy(rule(name="z"), name="a"), policy(rule(name="a"), name="b")]
    assert decide(both, study("2000-01-01")).winner == decide(both[::-1], study("2000-01-01")).winner == "a/z"


@pytest.mark.parametrize(
    ("actions", "final"),
    [
        (["destroy"], FinalAction.DESTROY),
        (["destroy", "destroy"], FinalAction.DESTROY),
        (["destroy", "review"], FinalAction.REVIEW),
        (["destroy", "keep"], FinalAction.KEEP),
        (["review", "keep"], FinalAction.KEEP),
    ],
)
def test_it_is_destroyed_only_if_every_matching_policy_says_so(actions, final):
    policies = [
        policy(
            rule(), name=f"p{number}", more=DESTROY if action == "destroy" else f"final_action: {action}\n"
        )
        for number, action in enumerate(actions)
    ]
    assert decide(policies, study("2000-01-01")).final_action is final
    silent = policy(rule(match="modality: MG"), name="silent")
    assert decide([*policies, silent], study("2000-01-01", modality="CT")).final_action is final
    # One that may match counts as one that does.
    assert decide([*policies, silent], study("2000-01-01")).final_action is FinalAction.KEEP


def test_a_policy_counts_from_the_day_it_is_effective():
    later = policy(rule("P30Y"), effective_on="2027-01-01")
    before = decide(later, study("2000-01-01"), at="2026-12-31")
    assert (before.state, str(before.next_change_on)) == ("PERMANENT", "2027-01-01")
    assert said(decide(later, study("2000-01-01"), at="2027-01-01")) == ("DETERMINED", "2030-01-01")


def test_policies_become_effective_one_after_the_other():
    both = [
        policy(rule("P30Y"), name=name, effective_on=on)
        for name, on in (("a", "2020-01-01"), ("b", "2025-01-01"))
    ]
    counting = {
        on: len(decide(both, study("2000-01-01"), at=on).rules)
        for on in ("2019-12-31", "2020-01-01", "2025-01-01")
    }
    assert counting == {"2019-12-31": 0, "2020-01-01": 1, "2025-01-01": 2}


def test_every_version_in_force_since_ingest_counts_and_the_longest_wins():
    first, second = policy(rule("P30Y"), version=1), policy(rule("P10Y"), version=2)
    versions = [Enacted(first, until_on=day("2020-01-01")), Enacted(second)]
    old, new = study("2000-01-01", ingested="2015-01-01"), study("2000-01-01", ingested="2020-01-02")
    assert said(decide(versions, old)) == ("DETERMINED", "2030-01-01")
    assert said(decide(versions, new)) == ("DETERMINED", "2010-01-01")
    assert said(decide(versions, study("2000-01-01", ingested="2020-01-01"))) == ("DETERMINED", "2030-01-01")
    assert [result.version for result in decide(versions, old).rules] == [2, 1]
    assert said(decide(versions, study("2000-01-01"))) == ("DETERMINED", "2030-01-01")


def test_a_version_retired_by_an_approved_loosening_does_not_count_from_that_day():
    first, second = policy(rule("P30Y"), version=1), policy(rule("P10Y"), version=2)
    versions = [Enacted(first, day("2020-01-01"), retired_on=day("2026-06-01")), Enacted(second)]
    old = study("2000-01-01", ingested="2015-01-01")
    before = decide(versions, old, at="2026-05-31")
    assert (said(before), str(before.next_change_on)) == (("DETERMINED", "2030-01-01"), "2026-06-01")
    assert said(decide(versions, old, at="2026-06-01")) == ("DETERMINED", "2010-01-01")


def test_of_two_versions_with_the_same_end_the_newest_is_named():
    versions = [policy(rule("P10Y"), version=number) for number in (1, 3, 2)]
    decision = decide(versions, study("2000-01-01"))
    assert decision.winner_result is not None
    assert decision.winner_result.version == 3


def test_holds_are_told_with_the_decision():
    decision = decide(policy(rule()), study("2000-01-01"), holds=[HOLD])
    assert (decision.holds, decision.reason, str(decision.latest_on)) == ((HOLD,), Reason.HOLD, "2020-01-01")


def test_an_end_brought_earlier_or_made_certain_is_a_shortening():
    long, short, open_end = (
        policy(rule("P30Y")),
        policy(rule("P10Y")),
        policy(rule("P10Y", trigger="diagnosis")),
    )
    about = study("2020-01-01")
    decisions = {name: decide(p, about) for name, p in (("long", long), ("short", short), ("open", open_end))}
    assert would_shorten(decisions["long"], decisions["short"])
    assert would_shorten(decisions["open"], decisions["long"])
    assert not would_shorten(decisions["short"], decisions["long"])
    assert not would_shorten(decisions["long"], decisions["long"])


def test_rules_are_compiled_once_for_all_days():
    policies = PolicySet(
        [policy(rule(), effective_on="2020-01-01"), policy(rule(), name="q", effective_on="2025-01-01")]
    )
    assert policies.rules_for(None, day("2022-01-01")) is policies.rules_for(None, day("2023-01-01"))
    assert len(policies.rules_for(None, day("2025-01-01"))) == 2
    assert policies.next_change_on(day("2025-01-01")) is None
