"""Laws of the evaluation, for any policy, any facts, any study: what no rule of any country may break."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from retention.model.states import StudyState
from retention.policy.decision import Decision
from retention.policy.documents import RetentionPolicy
from retention.policy.rules import RuleResult
from retention.policy.subject import Fact, Study
from tests.policy.making import (
    AT,
    DAYS,
    HOLD,
    decide,
    facts,
    policies,
    policy,
    studies,
)

OTHERS = st.lists(studies(institutions=["here", "here", "elsewhere"]), max_size=3)
ATS = st.dates(date(1990, 1, 1), date(2150, 1, 1))
MODALITIES = [None, "CT", "MR", "MG", "US"]


def outcome(decision: Decision) -> tuple[object, ...]:
    """What a decision says, without the rules' documents, which are equal but not the same."""

    def rules(results: tuple[RuleResult, ...]) -> list[tuple[object, ...]]:
        return [(result.name, result.applies, result.ends, result.missing) for result in results]

    return (
        decision.state,
        decision.keep_until,
        decision.latest_on,
        decision.winner,
        rules(decision.rules),
        decision.final_action,
        decision.missing,
        decision.suspended_by,
        decision.alerts,
        decision.next_change_on,
    )


def reversed_rules(document: RetentionPolicy) -> RetentionPolicy:
    return document.model_copy(update={"rules": document.rules[::-1]})


@given(policies(), studies(), OTHERS, facts(), ATS, st.integers(0, 40_000))
def test_once_expired_stays_expired(law, about, others, known, at, days):
    first = decide(law, about, *known, others=others, at=at)
    later = decide(law, about, *known, others=others, at=at + timedelta(days=days))
    event(f"expired: {first.is_expired}, later: {later.is_expired}")
    if first.is_expired:
        assert later.is_expired
        assert later.keep_until == first.keep_until


@given(policies("a"), policies("b"), studies(), OTHERS, facts(), ATS, st.randoms())
def test_the_order_of_rules_policies_facts_and_studies_is_irrelevant(
    one, two, about, others, known, at, chance
):
    expected = outcome(decide([one, two], about, *known, others=others, at=at))
    chance.shuffle(known)
    chance.shuffle(others)
    mixed = [reversed_rules(two), reversed_rules(one)]
    assert outcome(decide(mixed, about, *known, others=others, at=at)) == expected


@given(policies("a"), studies(), OTHERS, facts(), ATS)
def test_a_hold_never_shortens(law, about, others, known, at):
    before = decide(law, about, *known, others=others, at=at)
    held = decide(law, about, *known, others=others, at=at, holds=[HOLD])
    assert held.state is StudyState.HELD
    assert held.lasts_until >= before.lasts_until
    assert (held.keep_until, held.is_expired) == (None, False)


@given(policies("a", always=True), policies("b"), studies(), OTHERS, facts(), ATS)
def test_a_rule_or_policy_more_never_shortens(law, more, about, others, known, at):
    """Where some rule matches already: the first rule of all ends what was kept for ever."""
    before = decide(law, about, *known, others=others, at=at)
    assert decide([law, more], about, *known, others=others, at=at).lasts_until >= before.lasts_until
    wider = law.model_copy(
        update={"rules": [*law.rules, *(r.model_copy(update={"id": f"x{r.id}"}) for r in more.rules)]}
    )
    assert decide(wider, about, *known, others=others, at=at).lasts_until >= before.lasts_until


@given(policies(), studies(), OTHERS, facts(), ATS, st.integers(1, 40_000))
def test_next_change_on_is_honest(law, about, others, known, at, days):
    decision = decide(law, about, *known, others=others, at=at)
    later_at = at + timedelta(days=days)
    if decision.next_change_on is not None:
        assert decision.next_change_on > at
        later_at = min(later_at, decision.next_change_on - timedelta(days=1))
    later = decide(law, about, *known, others=others, at=later_at)
    assert outcome(later) == outcome(decision)


@given(policies(), studies(), OTHERS, facts(), ATS, DAYS)
@settings(max_examples=100)
def test_an_unknown_birth_date_never_destroys(law, about, others, known, at, born_on):
    """Whatever the birth date turns out to be, the study was not let go before that outcome's end."""
    unknown = [fact for fact in known if fact.kind != "birth"]
    decision = decide(law, about, *unknown, others=others, at=at)
    bound = born_by(about, others, unknown)
    assume(born_on <= bound)
    known_later = decide(law, about, *unknown, Fact("birth", born_on, source="adt"), others=others, at=at)
    assert known_later.lasts_until <= decision.lasts_until


@given(
    policies(),
    studies(),
    OTHERS,
    facts(),
    ATS,
    st.sampled_from(MODALITIES),
    st.sampled_from(["radiology", "x"]),
)
@settings(max_examples=100)
def test_an_unknown_attribute_never_destroys(law, about, others, known, at, modality, department):
    decision = decide(law, about, *known, others=others, at=at)
    told = replace(
        about,
        modalities=about.modalities or (frozenset([modality.casefold()]) if modality else None),
        department=about.department or department,
    )
    assert decide(law, told, *known, others=others, at=at).lasts_until <= decision.lasts_until


@given(policies(), studies(), OTHERS, facts(), ATS, DAYS)
@settings(max_examples=100)
def test_an_unknown_study_date_never_destroys(law, about, others, known, at, made_on):
    undated = replace(about, study_on=None, ingested_on=about.ingested_on or AT)
    assume(undated.ingested_on is not None and made_on <= undated.ingested_on)
    decision = decide(law, undated, *known, others=others, at=at)
    told = decide(law, replace(undated, study_on=made_on), *known, others=others, at=at)
    assert told.lasts_until <= decision.lasts_until


@given(
    policies(),
    studies(),
    st.lists(studies(), min_size=1, max_size=2),
    facts(),
    ATS,
    st.sampled_from(MODALITIES),
)
@settings(max_examples=100)
def test_what_nobody_knows_of_later_studies_never_destroys(law, about, others, known, at, modality):
    decision = decide(law, about, *known, others=others, at=at)
    told = [
        replace(
            other, modalities=other.modalities or (frozenset([modality.casefold()]) if modality else None)
        )
        for other in others
    ]
    assert decide(law, about, *known, others=told, at=at).lasts_until <= decision.lasts_until


@given(policies(), studies(), OTHERS, facts(), facts(), ATS, st.sampled_from(["group", "others"]))
def test_what_links_carry_never_shortens(law, about, others, known, foreign, at, entity):
    own = [other for other in others if other.institution == "here"]
    alone = decide(law, about, *known, others=own, at=at)
    linked = [replace(fact, institution="elsewhere", entity=entity) for fact in foreign]
    assert decide(law, about, *known, *linked, others=others, at=at).lasts_until >= alone.lasts_until


AGES = policy(
    "{id: minor, match: {age_at_study: {below: 18}}, trigger: birth, keep: P28Y}",
    "{id: young, match: {age_at_study: {from: 18, below: 25}}, trigger: study_date, keep: P15Y}",
    "{id: adult, match: {age_at_study: {from: 25}}, trigger: study_date, keep: P10Y, floor: {until_age: 37}}",
)


@given(st.dates(date(1980, 1, 1), date(2020, 1, 1)))
@settings(max_examples=20)
def test_the_bounds_of_an_unknown_birth_date_are_exact(made_on):
    """Against all birth dates tried one by one: the latest outcome is one that really can be."""
    about = Study.of(made_on, institution="here")
    decision = decide(AGES, about, at=AT)
    ends = {
        decide(AGES, about, Fact("birth", born_on), at=AT).lasts_until
        for born_on in [
            made_on - timedelta(days=number)
            for number in (*range(0, 15_000, 97), *range(6_570, 6_580), *range(9_125, 9_140))
        ]
    }
    assert decision.lasts_until == max(ends)


def born_by(about: Study, others: list[Study], known: list[Fact]) -> date:
    """The earliest day anything dated says of the patient, at his own institution."""
    days = [about.study_on or about.ingested_on]
    days += [other.study_on or other.ingested_on for other in others if other.institution == "here"]
    days += [day for fact in known for day in (fact.from_on, fact.to_on)]
    return min((day for day in days if day is not None), default=date.max)
