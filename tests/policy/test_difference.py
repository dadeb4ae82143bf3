"""Loosenings: whatever lets a record go earlier or with less control is found, and called so."""

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from retention.policy.changes import is_as_long
from retention.policy.difference import is_loosening, listing_changes, plan_changes, policy_changes
from retention.policy.documents import RetentionPolicy
from retention.policy.period import parse_period
from retention.policy.rule_difference import covers
from retention.policy.words import FinalAction
from tests.policy.making import (
    LENGTHS,
    MATCHES,
    MORE,
    RULES,
    built,
    decide,
    facts,
    plan,
    policy,
    rule,
    studies,
)

BASE = {
    "match": "{any: true}",
    "trigger": "last_visit",
    "keep": "P20Y",
    "scope": "institution",
    "floor": "{until_age: 28}",
    "on_death": "{within: P10Y, keep_from_death: P10Y, may_shorten: true}",
}
ACTIONS = [FinalAction.KEEP, FinalAction.REVIEW, FinalAction.DESTROY]


def one_rule(**keys: str | None) -> RetentionPolicy:
    written = {"id": "r", **BASE, **keys}
    return policy("{" + ", ".join(f"{key}: {value}" for key, value in written.items() if value) + "}")


@pytest.mark.parametrize(
    ("key", "old", "new", "loosens"),
    [
        ("keep", "P20Y", "P10Y", True),
        ("keep", "P20Y", "P30Y", False),
        ("keep", "P20Y", "forever", False),
        ("keep", "forever", "P199Y", True),
        ("keep", "P12M", "P1Y", None),
        ("keep", "P1Y", "P365D", True),
        ("keep", "P1Y", "P400D", False),
        ("trigger", "last_visit", "study_date", True),
        ("trigger", "study_date", "last_visit", True),
        ("scope", "institution", "entity", False),
        ("scope", "entity", "institution", True),  # fewer visits count
        ("floor", "{until_age: 28}", "{until_age: 25}", True),
        ("floor", "{until_age: 28}", None, True),
        ("floor", None, "{until_age: 28}", False),
        ("floor", "{until_age: 25}", "{until_age: 28}", False),
        ("on_death", None, "{keep_from_death: P10Y}", False),
        ("on_death", None, "{keep_from_death: P10Y, may_shorten: true}", True),
        ("on_death", "{keep_from_death: P10Y}", None, True),
        ("on_death", "{keep_from_death: P10Y}", "{keep_from_death: P8Y}", True),
        ("on_death", "{keep_from_death: P10Y}", "{keep_from_death: P12Y}", False),
        ("on_death", "{keep_from_death: P10Y}", "{within: P5Y, keep_from_death: P10Y}", True),
        ("on_death", "{within: P5Y, keep_from_death: P10Y}", "{keep_from_death: P10Y}", False),
        ("on_death", "{within: P5Y, keep_from_death: P10Y}", "{within: P6Y, keep_from_death: P10Y}", False),
        ("on_death", "{keep_from_death: P10Y}", "{keep_from_death: P10Y, may_shorten: true}", True),
        ("on_death", "{keep_from_death: P10Y, may_shorten: true}", "{keep_from_death: P10Y}", False),
        ("on_death", "{within: P10Y, keep_from_death: P10Y, may_shorten: true}", None, False),
        ("on_death", "{within: P10Y, keep_from_death: P15Y, may_shorten: true}", None, True),
        ("on_death", "{keep_from_death: P10Y, may_shorten: true}", None, True),
        ("unless_followed_by", None, "{match: {modality: MG}, keep: P5Y}", True),
        ("unless_followed_by", "{match: {modality: MG}, keep: P5Y}", None, False),
        (
            "unless_followed_by",
            "{match: {modality: MG}, keep: P5Y}",
            "{match: {modality: MG}, keep: P4Y}",
            True,
        ),
        (
            "unless_followed_by",
            "{match: {modality: MG}, keep: P5Y}",
            "{match: {modality: MG}, keep: P6Y}",
            False,
        ),
        ("unless_followed_by", "{match: {modality: MG}, keep: P5Y}", "{match: {any: true}, keep: P5Y}", True),
        (
            "unless_followed_by",
            "{match: {any: true}, keep: P5Y}",
            "{match: {modality: MG}, keep: P5Y}",
            False,
        ),
        ("maximum", "P50Y", None, False),
        ("match", "{any: true}", "{modality: CT}", True),
        ("match", "{modality: CT}", "{modality: [CT, MR]}", True),  # MR was kept for ever
        ("suspend_on", "[liability_appeal]", None, True),
        ("suspend_on", None, "[liability_appeal]", False),
        ("suspend_on", "[liability_appeal]", "[liability_appeal, opposition]", False),
    ],
)
def test_each_key_of_a_rule(key, old, new, loosens):
    changes = policy_changes(one_rule(**{key: old}), one_rule(**{key: new}))
    if loosens is None:
        assert changes == []
    else:
        assert len(changes) == 1
        assert changes[0].is_loosening is loosens
        assert changes[0].where in (
            f"rules.r.{key}",
            f"rules.r.{key}.keep",
            f"rules.r.{key}.match",
            "suspend_on",
        )


def test_a_wider_scope_lets_more_studies_follow():
    followed = "unless_followed_by: {match: {modality: MG}, keep: P5Y}"
    old, new = policy(rule(more=followed)), policy(rule(more=f"{followed}, scope: entity"))
    assert is_loosening(policy_changes(old, new))


def test_a_wider_match_is_no_loosening_where_a_rule_spoke_of_everything():
    old = policy(rule(name="all"), rule("P30Y", match="modality: CT"))
    wider = policy(rule(name="all"), rule("P30Y", match="modality: [CT, MR]"))
    narrower = policy(rule(name="all"), rule("P30Y", match="modality: SR"))
    assert not is_loosening(policy_changes(old, wider))
    assert is_loosening(policy_changes(old, narrower))


def test_rules_added_and_taken_away():
    base, longer = rule(name="all"), rule("P30Y", name="ct", match="modality: CT")
    assert not is_loosening(policy_changes(policy(base), policy(base, longer)))
    assert is_loosening(policy_changes(policy(base, longer), policy(base)))
    # Without a rule for everything, the first rule that speaks of a study ends what was kept for ever.
    assert is_loosening(policy_changes(policy(longer), policy(longer, base)))
    # What a longer rule covers can go.
    shorter = rule("P10Y", name="mr", match="modality: MR")
    assert not is_loosening(policy_changes(policy(base, shorter), policy(base)))


def test_renaming_a_rule_is_no_loosening():
    assert not is_loosening(policy_changes(policy(rule(name="a")), policy(rule(name="b"))))


DISPOSAL = "final_action: destroy\ndisposal: {{approvals: [{approvals}], {more}}}\n"


def disposing(
    approvals: str = "physician, director",
    more: str = "grace: P30D, limits: {studies: 10, percent: 5, per: P30D}",
) -> RetentionPolicy:
    return policy(rule(), more=DISPOSAL.format(approvals=approvals, more=more))


@pytest.mark.parametrize(
    ("new", "loosens"),
    [
        (disposing("director"), True),
        (disposing("director, physician"), False),
        (disposing("physician, director, {external: visa}"), False),
        (disposing("physician, {external: director}"), True),
        (disposing(more="grace: P10D, limits: {studies: 10, percent: 5, per: P30D}"), True),
        (disposing(more="limits: {studies: 10, percent: 5, per: P30D}"), True),
        (disposing(more="grace: P60D, limits: {studies: 10, percent: 5, per: P30D}"), False),
        (disposing(more="grace: P30D"), True),
        (disposing(more="grace: P30D, limits: {studies: 11, percent: 5, per: P30D}"), True),
        (disposing(more="grace: P30D, limits: {studies: 10, percent: 4, per: P30D}"), False),
        (disposing(more="grace: P30D, limits: {studies: 10, per: P30D}"), True),
        (disposing(more="grace: P30D, limits: {studies: 10, percent: 5, per: P10D}"), True),
        (disposing(more="grace: P30D, limits: {studies: 10, percent: 5, per: P90D}"), False),
        (
            disposing(more="grace: P30D, limits: {studies: 10, percent: 5, per: P30D}, method: crypto_shred"),
            True,
        ),
        (policy(rule(), more="final_action: review\n"), False),
    ],
)
def test_control_over_disposal(new, loosens):
    changes = policy_changes(disposing(), new)
    assert changes != []
    assert is_loosening(changes) is loosens


@pytest.mark.parametrize("old", ACTIONS)
@pytest.mark.parametrize("new", ACTIONS)
def test_final_actions_from_careful_to_destroying(old, new):
    made = [
        policy(rule(), more=f"final_action: {action.value}\ndisposal: {{approvals: [director]}}\n")
        for action in (old, new)
    ]
    assert is_loosening(policy_changes(*made)) is (ACTIONS.index(new) > ACTIONS.index(old))


def test_words_and_reviews_are_changes_but_no_loosenings():
    new = policy(
        rule(more="legal_basis: {text: other, checked_on: 2026-11-24, status: primary}"),
        effective_on="2001-01-01",
    )
    changes = policy_changes(policy(rule()), new)
    assert [change.where for change in changes] == ["rules.r.legal_basis", "effective_on"]
    assert not is_loosening(changes)
    assert changes[1].text.fr == "effective_on : 1990-01-01 devient 2001-01-01"


ROWS = "tiers: [{tier: hot, for: P1Y}, {tier: cold}]\n"


@pytest.mark.parametrize(
    ("old", "new", "loosens"),
    [
        ("full: P90D", "full: P180D", True),
        ("full: P180D", "full: P90D", False),
        ("full: P90D", None, True),
        (None, "full: P90D", False),
        ("sample: 2%, every: P1Y", "sample: 1%, every: P1Y", True),
        ("sample: 2%, every: P1Y", "sample: 3%, every: P1Y", False),
        ("sample: 2%, every: P1Y", "sample: 2%, every: P2Y", True),
        ("sample: 2%, every: P2Y", "sample: 2%, every: P1Y", False),
        ("full: P90D, on_recall: full", "full: P90D", True),
        ("full: P90D", "full: P90D, on_recall: full", False),
    ],
)
def test_fixity_checked_less_often_is_a_loosening(old, new, loosens):
    old, new = (plan(ROWS + (f"fixity: {{cold: {{{keys}}}}}\n" if keys else "")) for keys in (old, new))
    changes = plan_changes(old, new)
    assert changes != []
    assert is_loosening(changes) is loosens


def test_when_a_study_moves_is_a_change_but_no_loosening():
    changes = plan_changes(plan(ROWS), plan("tiers: [{tier: hot, for: P2Y}, {tier: cold}]\n"))
    assert [str(change.text) for change in changes] == ["tiers: hot P1Y > cold becomes hot P2Y > cold"]
    assert not is_loosening(changes)


def test_which_policies_an_institution_lists():
    assert is_loosening(listing_changes(["a", "b"], ["a"]))
    assert not is_loosening(listing_changes(["a"], ["a", "b"]))
    assert is_loosening(listing_changes([], ["a"]))  # without any, everything was kept for ever
    assert listing_changes(["a", "b"], ["b", "a"]) == []


@pytest.mark.parametrize(
    ("wide", "narrow", "does"),
    [
        ("any: true", "modality: CT", True),
        ("modality: [CT, MR]", "modality: CT", True),
        ("modality: CT", "modality: [CT, MR]", False),
        ("modality: CT", "all: [{modality: CT}, {body_part: HEAD}]", True),
        ("modality: CT", "modality: CT, body_part: HEAD", True),
        ("one_of: [{modality: CT}, {fact: transplant}]", "modality: CT", True),
        ("one_of: [{modality: CT}], body_part: HEAD", "modality: CT", False),
        ("not: {modality: CT}", "modality: MR", False),
        ("any: true, modality: CT", "modality: MR", False),
    ],
)
def test_covering_is_claimed_only_where_it_is_plain(wide, narrow, does):
    matches = [policy(rule(match=match)).rules[0].match for match in (wide, narrow)]
    assert covers(*matches) is does


@pytest.mark.parametrize(
    ("new", "old", "is_long"),
    [
        ("P1Y", "P12M", True),
        ("P365D", "P1Y", False),
        ("P366D", "P1Y", False),
        ("P380D", "P1Y", True),
        ("P1M", "P30D", False),
        ("P2M", "P30D", True),
        (None, "P1D", False),
        ("P1D", None, True),
    ],
)
def test_periods_are_longer_only_where_every_calendar_agrees(new, old, is_long):
    periods = [None if text is None else parse_period(text) for text in (new, old)]
    assert is_as_long(*periods) is is_long


EDITS = st.one_of(
    st.tuples(st.just("keep"), st.sampled_from([*LENGTHS, "forever"])),
    st.tuples(st.just("match"), MATCHES),
    st.tuples(st.just("more"), MORE),
    st.tuples(st.just("drop"), st.none()),
    st.tuples(st.just("add"), RULES),
    st.tuples(st.just("scope"), st.sampled_from(["institution", "entity"])),
)


@given(
    st.lists(RULES, min_size=1, max_size=3),
    st.booleans(),
    EDITS,
    st.integers(0, 2),
    studies(),
    st.lists(studies(institutions=["here", "elsewhere"]), max_size=2),
    facts(),
    st.dates(),
)
@settings(max_examples=150)
def test_what_is_not_called_a_loosening_lets_nothing_go_earlier(
    rules, has_all, edit, index, about, others, known, at
):
    if has_all:
        rules = [{"match": {"any": True}, "trigger": "last_visit", "keep": "P1Y"}, *rules]
    old = [{"id": f"r{number}", **rule} for number, rule in enumerate(rules)]
    what, value = edit
    edited = dict(old[index % len(old)])
    new = [rule for rule in old if rule["id"] != edited["id"]]
    if what == "add":
        new = [*old, {"id": "new", **value}]
    elif what == "more":
        plain = {key: edited[key] for key in ("id", "match", "trigger", "keep")}
        new.append({**plain, **value})
    elif what != "drop":
        new.append({**edited, what: value})
    assume(new)
    before, after = built(old), built(new)
    if is_loosening(policy_changes(before, after)):
        return
    event(what)
    first = decide(before, about, *known, others=others, at=at)
    second = decide(after, about, *known, others=others, at=at)
    assert second.lasts_until >= first.lasts_until
