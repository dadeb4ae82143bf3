"""The shape of examples: a study and facts as an archivist would tell them, and what is expected of them.

Examples are the tests of a policy (`policy test`). A fact is a day (then it is verified), `{on:, assurance:}`,
`{from:, to:}`, or a list of these; `{}` is a fact that stands without a date.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from retention.policy.shape import AlsoAlone, Part
from retention.policy.words import (
    DAY_PATTERN,
    LIST_ITEMS,
    Assurance,
    AssuranceWord,
    Day,
    FactKind,
    FinalActionWord,
    Name,
    Prose,
    StateWord,
    StudyDay,
    Word,
    as_list,
)

Attribute = Annotated[list[Word], BeforeValidator(as_list), Field(max_length=LIST_ITEMS), AlsoAlone()]


class ExampleStudy(Part):
    """A study. What is left out is unknown."""

    study_date: StudyDay | None = None
    ingest_date: Day | None = None
    modality: Attribute | None = None
    sop_class: Attribute | None = None
    body_part: Attribute | None = None
    manufacturer: Attribute | None = None
    department: Word | None = None
    study_description: Word | None = None
    institution: Name | None = None
    entity: Name | None = None


class ExampleFact(Part):
    """A fact, dated (`on`), over a period (`from`, `to`), or without a date."""

    on: Day | None = None
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    assurance: AssuranceWord = Assurance.VERIFIED
    source: Word | None = None
    institution: Name | None = None
    entity: Name | None = None


def _as_fact(value: object) -> object:
    return value if isinstance(value, dict) else {"on": value}


def _as_facts(value: object) -> object:
    return [_as_fact(item) for item in value] if isinstance(value, list) else [_as_fact(value)]


ExampleFacts = Annotated[
    list[ExampleFact],
    BeforeValidator(_as_facts),
    Field(min_length=1, max_length=LIST_ITEMS),
    AlsoAlone({"type": "string", "pattern": DAY_PATTERN}),
]


class ExampleHold(Part):
    """A hold that covers the study."""

    owner: Word
    reason: Word


class Expectation(Part):
    """What the decision should be. Only what is written is compared; `null` means that there is none."""

    state: StateWord
    keep_until: Day | None = None
    winner: Word | None = None
    final_action: FinalActionWord | None = None
    undetermined: list[Word] | None = None
    next_change_on: Day | None = None


class Example(Part):
    """One test of a retention policy."""

    name: Prose
    at: Day
    study: ExampleStudy = ExampleStudy()
    later_studies: list[ExampleStudy] = Field([], max_length=LIST_ITEMS)
    facts: dict[FactKind, ExampleFacts] = Field({}, max_length=LIST_ITEMS)
    holds: list[ExampleHold] = Field([], max_length=LIST_ITEMS)
    expect: Expectation


class PlanExpectation(Part):
    """Where the study should lie, and when it next moves. Only what is written is compared."""

    tier: Name
    next_tier: Name | None = None
    move_on: Day | None = None


class PlanExample(Part):
    """One test of a storage plan."""

    name: Prose
    at: Day
    study: ExampleStudy = ExampleStudy()
    accessed_on: Day | None = None
    expect: PlanExpectation
