"""How records leave: outcomes of an analysis, combined terms, approvals in order, rolling limits."""

import pytest

from retention.policy.disposal import (
    Approval,
    Outcome,
    Terms,
    Why,
    allowance,
    analyse,
    combine,
    counts_from_last_visit,
    progress,
    terms_for,
)
from retention.policy.documents import Approver, Limits
from retention.policy.enacted import PolicySet
from retention.policy.period import parse_period
from tests.policy.making import FRENCH, HOLD, day, decide, fact, policy, rule, study

DESTROY = "final_action: destroy\ndisposal: {approvals: [physician, director]}\n"
ADULT = fact("birth", "1950-01-01")
OLD = study("2000-01-01", modality="CT")


@pytest.mark.parametrize(
    ("final", "outcome", "why"),
    [
        (DESTROY, Outcome.DESTROY, Why.DECISION),
        ("final_action: review\n", Outcome.REVIEW, Why.DECISION),
        ("final_action: keep\n", Outcome.KEEP, Why.FINAL_ACTION),
    ],
)
def test_what_is_over_ends_as_the_policy_says(final, outcome, why):
    analysis = analyse(decide(policy(rule(), more=final), OLD), visit_confirmed_on=day("2026-11-01"))
    assert (analysis.outcome, analysis.why) == (outcome, why)


def test_what_is_not_over_is_kept():
    law = policy(rule(), more=DESTROY)
    assert analyse(decide(law, OLD, at="2020-01-01"), day("2020-01-01")).why is Why.NOT_OVER
    assert analyse(decide(law, OLD, at="2020-01-02"), day("2020-01-01")).outcome is Outcome.DESTROY


def test_every_other_state_stays_what_it_is():
    law = policy(FRENCH, rule("forever", name="sr", match="modality: SR"), more=DESTROY)
    confirmed = day("2026-11-01")
    assert analyse(decide(law, OLD, ADULT, holds=[HOLD]), confirmed).outcome is Outcome.HELD
    assert (
        analyse(decide(law, OLD, ADULT, fact("death", "1999-01-01")), confirmed).outcome is Outcome.CONFLICT
    )
    assert (
        analyse(decide(law, OLD, ADULT, fact("liability_appeal", "2001-01-01")), confirmed).outcome
        is Outcome.SUSPENDED
    )
    assert analyse(decide(law, study("2000-01-01"), ADULT), confirmed).outcome is Outcome.UNDETERMINED
    assert analyse(decide(law, study("2000-01-01", modality="SR"), ADULT), confirmed).outcome is Outcome.KEEP


@pytest.mark.parametrize(
    ("confirmed", "outcome"),
    [(None, Outcome.UNDETERMINED), ("2026-08-25", Outcome.UNDETERMINED), ("2026-08-26", Outcome.DESTROY)],
)
def test_a_last_visit_has_to_be_confirmed_within_ninety_days(confirmed, outcome):
    analysis = analyse(decide(policy(rule(), more=DESTROY), OLD), confirmed and day(confirmed))
    assert analysis.outcome is outcome
    if outcome is Outcome.UNDETERMINED:
        assert analysis.why is Why.LAST_VISIT_UNCONFIRMED


def test_where_no_rule_counts_from_the_last_visit_none_is_asked_for():
    by_date = decide(policy(rule(trigger="study_date"), more=DESTROY), OLD)
    assert analyse(by_date, None).outcome is Outcome.DESTROY
    # A shorter rule asks too: an unknown later visit could make it the longest.
    both = policy(rule(trigger="study_date"), rule("P1Y", name="v"), more=DESTROY)
    assert counts_from_last_visit(decide(both, OLD))
    other = policy(rule(trigger="study_date"), rule(name="v", match="modality: MG"), more=DESTROY)
    assert not counts_from_last_visit(decide(other, OLD))


def terms(*parts: str) -> Terms:
    documents = [policy(rule(), more=f"disposal: {{{part}}}\n").disposal for part in parts]
    return combine(part for part in documents if part is not None)


def test_terms_combine_to_the_more_careful():
    both = terms(
        "approvals: [physician, director], grace: P30D, limits: {studies: 100, per: P30D}, method: crypto_shred",
        "approvals: [physician, {external: visa}, director], grace: P2M, limits: {percent: 5, per: P7D}",
    )
    assert [approver.name for approver in both.approvals] == ["physician", "director", "visa"]
    assert str(both.grace) == "P2M"
    assert len(both.limits) == 2
    assert both.methods == ("crypto_shred", "delete_shards")


def test_only_policies_that_speak_of_the_study_set_terms_in_the_order_listed():
    listed = [
        policy(rule(), name="z", more="disposal: {approvals: [one]}\n"),
        policy(rule(match="modality: MG"), name="m", more="disposal: {approvals: [silent]}\n"),
        policy(rule(match="department: x"), name="a", more="disposal: {approvals: [two]}\n"),
    ]
    found = terms_for(decide(listed, OLD), PolicySet(listed))
    assert [approver.name for approver in found.approvals] == ["one", "two"]


PHYSICIAN, DIRECTOR, VISA = Approver("physician"), Approver("director"), Approver("visa", is_external=True)
THREE = terms("approvals: [physician, director, {external: visa}], grace: P30D")


def given(*signatures: tuple[Approver, str, str]) -> list[Approval]:
    return [Approval(approver, person, day(on)) for approver, person, on in signatures]


def test_approvals_come_in_order_and_grace_counts_from_the_last():
    first = given((PHYSICIAN, "ana", "2026-01-01"))
    assert progress(THREE, first, day("2026-01-02")).awaited == DIRECTOR
    out_of_order = given((DIRECTOR, "ben", "2026-01-01"), (PHYSICIAN, "ana", "2026-01-02"))
    assert progress(THREE, out_of_order, day("2026-01-03")).awaited == DIRECTOR
    all_three = given(
        (PHYSICIAN, "ana", "2026-01-01"), (DIRECTOR, "ben", "2026-01-05"), (VISA, "cleo", "2026-02-01")
    )
    done = progress(THREE, all_three, day("2026-02-02"))
    assert (done.awaited, str(done.executable_on)) == (None, "2026-03-03")


def test_all_approvers_are_different_people():
    twice = given((PHYSICIAN, "ana", "2026-01-01"), (DIRECTOR, "ana", "2026-01-05"))
    assert progress(THREE, twice, day("2026-01-06")).awaited == DIRECTOR


def test_an_approver_of_the_same_name_outside_is_another():
    assert (
        progress(
            THREE, given((Approver("physician", is_external=True), "ana", "2026-01-01")), day("2026-01-02")
        ).given
        == ()
    )


def test_approvals_lapse_after_a_year():
    signatures = given((PHYSICIAN, "ana", "2025-01-01"), (DIRECTOR, "ben", "2025-06-01"))
    assert progress(THREE, signatures, day("2026-01-01")).awaited == VISA
    lapsed = progress(THREE, signatures, day("2026-01-02"))
    assert ([approval.person for approval in lapsed.lapsed], lapsed.awaited) == (["ana"], PHYSICIAN)


def test_without_anybody_named_to_sign_nothing_may_be_executed():
    nobody = progress(Terms((), None, (), ()), [], day("2026-01-01"))
    assert (nobody.awaited, nobody.executable_on) == (None, None)


def limits(*, studies: int | None = None, percent: float | None = None, per: str = "P30D") -> Limits:
    period = parse_period(per)
    assert period is not None
    return Limits.model_construct(studies=studies, percent=percent, per=period)


@pytest.mark.parametrize(
    ("which", "held", "allowed"),
    [
        (limits(studies=100), 10_000, 100),
        (limits(percent=5), 1_000, 50),
        (limits(percent=5), 1_001, 51),  # rounded up
        (limits(percent=7), 100, 7),  # and not by a rounding error
        (limits(percent=0.1), 10, 1),  # at least one
        (limits(percent=5, studies=20), 1_000, 20),
        (limits(percent=1, studies=20), 1_000, 10),
    ],
)
def test_the_smallest_limit_counts(which, held, allowed):
    assert allowance(which, held, [], day("2026-06-01")) == allowed


def test_limits_roll():
    executed = [(day("2026-05-01"), 60), (day("2026-05-20"), 30)]
    assert allowance(limits(studies=100), 10_000, executed, day("2026-05-25")) == 10
    assert allowance(limits(studies=100), 10_000, executed, day("2026-05-30")) == 10
    assert allowance(limits(studies=100), 10_000, executed, day("2026-05-31")) == 70
    assert allowance(limits(studies=50), 10_000, executed, day("2026-05-25")) == 0
