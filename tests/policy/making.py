"""Policies, studies and decisions in a few words, for tests."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from hypothesis import strategies as st

from retention.policy.decision import Decision
from retention.policy.documents import RetentionPolicy
from retention.policy.enacted import Enacted, PolicySet
from retention.policy.evaluate import evaluate
from retention.policy.facts import Facts
from retention.policy.loading import load_policies
from retention.policy.plan_documents import StoragePlan
from retention.policy.subject import Fact, Hold, Study
from retention.policy.words import Assurance

LIBRARY = Path(__file__).parents[2] / "policies"
AT = date(2026, 11, 24)
HOLD = Hold("1", "legal", "court order")

HEAD = """apiVersion: retention/v1
kind: RetentionPolicy
name: {name}
version: {version}
effective_on: {effective_on}
review_by: 2099-01-01
title: {{en: test}}
legal_basis: {{text: test, checked_on: 2026-11-24, status: unverified}}
"""
ANY_VISIT = "{id: visit, match: {any: true}, trigger: last_visit, keep: P20Y}"
FRENCH = """{id: twenty-years, match: {any: true}, trigger: last_visit, keep: P20Y, floor: {until_age: 28},
  on_death: {within: P10Y, keep_from_death: P10Y, may_shorten: true}, suspend_on: [liability_appeal]}"""


def policy(
    *rules: str, name: str = "p", version: int = 1, effective_on: str = "1990-01-01", more: str = ""
) -> RetentionPolicy:
    """Return a policy with these rules, each written as a mapping on one line."""
    head = HEAD.format(name=name, version=version, effective_on=effective_on)
    written = "".join(f"  - {rule}\n" for rule in rules)
    (document,) = load_policies(f"{head}rules:\n{written}{more}", "test.yaml").policies
    return document


def rule(
    keep: str = "P20Y",
    *,
    name: str = "r",
    match: str = "any: true",
    trigger: str = "last_visit",
    more: str = "",
) -> str:
    """Return one rule; `more` is further keys."""
    return f"{{id: {name}, match: {{{match}}}, trigger: {trigger}, keep: {keep}{', ' if more else ''}{more}}}"


def plan(body: str) -> StoragePlan:
    head = "apiVersion: retention/v1\nkind: StoragePlan\nname: plan\n"
    (document,) = load_policies(head + body, "test.yaml").plans
    return document


def day(text: str) -> date:
    return date.fromisoformat(text)


def maybe_day(text: str | None) -> date | None:
    return None if text is None else day(text)


def fact(kind: str, from_on: str | None = None, to_on: str | None = None, *, declared: bool = False) -> Fact:
    assurance = Assurance.DECLARED if declared else Assurance.VERIFIED
    return Fact(kind, maybe_day(from_on), maybe_day(to_on), assurance, "test")


def study(
    on: str | None = None, *, ingested: str | None = None, **attributes: str | list[str | None]
) -> Study:
    return Study.of(
        None if on is None else day(on),
        ingested_on=None if ingested is None else day(ingested),
        institution="here",
        entity="group",
        attributes=attributes,
    )


def decide(
    policies: RetentionPolicy | Enacted | Sequence[RetentionPolicy | Enacted],
    about: Study,
    *facts: Fact,
    others: Iterable[Study] = (),
    holds: Iterable[Hold] = (),
    at: date | str = AT,
) -> Decision:
    """Return the decision about a study."""
    listed = [policies] if isinstance(policies, RetentionPolicy | Enacted) else policies
    others = list(others)
    known = Facts(facts)
    return evaluate(about, others, PolicySet(listed), known, holds, day(at) if isinstance(at, str) else at)


def said(decision: Decision) -> tuple[str, str | None]:
    """Return state and last day: what most tests compare."""
    return decision.state.value, None if decision.keep_until is None else decision.keep_until.isoformat()


# What laws are tested with: everything the language has, over a century, with holes.

DAYS = st.integers(0, 40_000).map(lambda number: date(1930, 1, 1) + timedelta(days=number))
LENGTHS = ["P1M", "P1Y", "P5Y", "P10Y", "P20Y", "P30Y", "P45D", "P2W"]
PERIODS = st.sampled_from(LENGTHS)
MODALITIES = st.sampled_from([["CT"], ["MR"], ["MG"], ["CT", "MG"], ["CT", None], [], None])
EVENTS = st.sampled_from(["last_visit", "birth", "death", "diagnosis", "transfusion", "last_change"])
MATCHES = st.recursive(
    st.sampled_from(
        [
            {"any": True},
            {"modality": "CT"},
            {"modality": ["MR", "MG"]},
            {"department": "radiology"},
            {"fact": "transfusion"},
            {"age_at_study": {"below": 18}},
            {"age_at_study": {"from": 18, "below": 65}},
            {"age_at_trigger": {"from": 18}},
            {"study_date": {"from": "2000-01-01"}},
            {"study_date": {"before": "2000-01-01"}},
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda match: {"not": match}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"one_of": parts}),
    ),
    max_leaves=3,
)
FRENCH_DEATH = {"within": "P10Y", "keep_from_death": "P10Y", "may_shorten": True}
MORE = st.sampled_from(
    [
        {},
        {"floor": {"until_age": 28}},
        {"on_death": FRENCH_DEATH},
        {"on_death": {"keep_from_death": "P8Y"}},
        {"suspend_on": ["liability_appeal"]},
        {"floor": {"until_age": 28}, "on_death": FRENCH_DEATH, "suspend_on": ["opposition"]},
        {"scope": "entity"},
        {"maximum": "P50Y"},
    ]
)
FOLLOWED = st.sampled_from([{}, {}, {"unless_followed_by": {"match": {"modality": "MG"}, "keep": "P5D"}}])
TRIGGERS = st.sampled_from(
    ["last_visit"] * 6 + ["study_date"] * 4 + ["ingest_date", "birth", "death", "diagnosis", "last_change"]
)
RULES = st.builds(
    lambda keep, match, trigger, more, followed: {
        "keep": keep,
        "match": match,
        "trigger": trigger,
        **more,
        **followed,
    },
    st.sampled_from([*LENGTHS, *LENGTHS, "forever"]),
    MATCHES,
    TRIGGERS,
    MORE,
    FOLLOWED,
)
ALWAYS = st.builds(lambda keep: {"match": {"any": True}, "trigger": "last_visit", "keep": keep}, PERIODS)


def built(rules: Sequence[dict[str, object]], name: str = "p", **more: object) -> RetentionPolicy:
    """Return a policy from rules as plain values: quicker than from text."""
    return RetentionPolicy.model_validate(
        {
            "apiVersion": "retention/v1",
            "kind": "RetentionPolicy",
            "name": name,
            "version": 1,
            "effective_on": "1990-01-01",
            "review_by": "2099-01-01",
            "title": {"en": "test"},
            "legal_basis": {"text": "test", "checked_on": "2026-11-24", "status": "unverified"},
            "rules": [{"id": f"r{number}", **rule} for number, rule in enumerate(rules)],
            **more,
        }
    )


@st.composite
def policies(draw: st.DrawFn, name: str = "p", *, always: bool = False) -> RetentionPolicy:
    """Any policy; with `always` it has a rule that matches every study."""
    rules = draw(st.lists(RULES, min_size=1, max_size=4))
    return built([*rules, draw(ALWAYS)] if always else rules, name)


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    """Facts of any kind, some undated, some about a link."""
    made = draw(
        st.lists(
            st.builds(
                Fact,
                EVENTS,
                st.sampled_from([True, True, True, False]).flatmap(
                    lambda dated: DAYS if dated else st.none()
                ),
                assurance=st.sampled_from(Assurance),
                source=st.sampled_from(["adt", "lab"]),
            ),
            max_size=4,
        )
    )
    for kind in draw(st.lists(st.sampled_from(["liability_appeal", "opposition"]), max_size=2)):
        days = sorted([draw(DAYS), draw(DAYS)])
        made.append(
            Fact(kind, days[0], draw(st.sampled_from([days[1], days[1], days[1], None])), source="legal")
        )
    return made


@st.composite
def studies(draw: st.DrawFn, *, institutions: Sequence[str] = ("here",)) -> Study:
    made_on = draw(DAYS)
    received_on = made_on + timedelta(days=draw(st.sampled_from([0, 1, 400])))
    return Study.of(
        draw(st.sampled_from([made_on, made_on, made_on, None])),
        ingested_on=draw(st.sampled_from([received_on, received_on, received_on, None])),
        institution=draw(st.sampled_from(institutions)),
        entity="group",
        attributes={
            "modality": draw(MODALITIES),
            "department": draw(st.sampled_from([None, "radiology", "surgery"])),
        },
    )
