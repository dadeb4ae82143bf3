"""The shape of a RetentionPolicy: every key it may have, typed, and nothing else.

This is the only list of keys: the JSON Schema for editors and the did-you-mean of unknown keys are made from it. What
must agree between keys is in `checks.py`. Documents are immutable; two that say the same have the same digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from retention.model.digests import blake3_digest
from retention.policy.example_documents import Example
from retention.policy.shape import AlsoAlone, Part
from retention.policy.words import (
    API_VERSION,
    FACT_KINDS,
    LIST_ITEMS,
    WORD_CHARACTERS,
    Day,
    DeclaredKind,
    FactKind,
    FinalAction,
    FinalActionWord,
    Keep,
    Name,
    PeriodValue,
    Prose,
    Scope,
    Trigger,
    Uid,
    Word,
    as_list,
    closed,
    wrong,
)

OLDEST_YEARS = 150


def _only_true(value: object) -> object:
    if value is not True:
        raise wrong("only_true")
    return value


Words = Annotated[
    list[Word], BeforeValidator(as_list), Field(min_length=1, max_length=LIST_ITEMS), AlsoAlone()
]
Uids = Annotated[list[Uid], BeforeValidator(as_list), Field(min_length=1, max_length=LIST_ITEMS), AlsoAlone()]
Names = Annotated[
    list[Name], BeforeValidator(as_list), Field(min_length=1, max_length=LIST_ITEMS), AlsoAlone()
]
FactKinds = Annotated[
    list[FactKind], BeforeValidator(as_list), Field(min_length=1, max_length=LIST_ITEMS), AlsoAlone()
]
Age = Annotated[int, Field(ge=0, le=OLDEST_YEARS)]


class AgeRange(Part):
    """Completed years: `from` or older, and younger than `below`."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    from_: Age | None = Field(None, alias="from")
    below: Age | None = None


class DayRange(Part):
    """`from` that day on, and before the day of `before`."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    from_: Day | None = Field(None, alias="from")
    before: Day | None = None


class Match(Part):
    """A condition. Several keys in one mapping must all hold; several words for one key mean any of them."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    any: Annotated[Literal[True], BeforeValidator(_only_true)] | None = None
    all: Annotated[list[Match], Field(min_length=1, max_length=LIST_ITEMS)] | None = None
    one_of: Annotated[list[Match], Field(min_length=1, max_length=LIST_ITEMS)] | None = None
    not_: Match | None = Field(None, alias="not")
    modality: Words | None = None
    sop_class: Uids | None = None
    body_part: Words | None = None
    department: Words | None = None
    study_description: Words | None = None
    manufacturer: Words | None = None
    age_at_study: AgeRange | None = None
    age_at_trigger: AgeRange | None = None
    study_date: DayRange | None = None
    institution: Names | None = None
    fact: FactKinds | None = None


class LegalBasis(Part):
    """Where the law says so, when somebody last looked, and how good the source was."""

    text: Prose
    checked_on: Day
    status: Annotated[
        Literal["primary", "secondary", "unverified"], closed("primary", "secondary", "unverified")
    ]


class Floor(Part):
    """Never before the patient reaches this age (as the day of that birthday)."""

    until_age: Annotated[int, Field(ge=1, le=OLDEST_YEARS)]


class OnDeath(Part):
    """What a death changes (policy.md, One rule 6)."""

    within: PeriodValue | None = None
    keep_from_death: PeriodValue
    may_shorten: bool = False


class UnlessFollowedBy(Part):
    """A shorter period once a later study of the patient matches (policy.md, One rule 8)."""

    match: Match
    keep: PeriodValue


class Rule(Part):
    """One line of the law."""

    id: Name
    legal_basis: LegalBasis | None = None
    match: Match
    trigger: Trigger
    scope: Scope = "institution"
    keep: Keep
    floor: Floor | None = None
    on_death: OnDeath | None = None
    suspend_on: FactKinds | None = None
    unless_followed_by: UnlessFollowedBy | None = None
    maximum: PeriodValue | None = None


@dataclass(frozen=True, slots=True)
class Approver:
    """Who signs: a named approver of the institution, or somebody outside whose decision is recorded."""

    name: str
    is_external: bool = False


def _read_approver(value: object) -> Approver:
    name = value.get("external") if isinstance(value, dict) and set(value) == {"external"} else value
    if not isinstance(name, str) or not name or len(name) > WORD_CHARACTERS:
        raise wrong("not_an_approver")
    return Approver(name, is_external=isinstance(value, dict))


def _write_approver(approver: Approver) -> object:
    return {"external": approver.name} if approver.is_external else approver.name


ApproverValue = Annotated[
    Approver,
    PlainValidator(_read_approver),
    PlainSerializer(_write_approver),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": WORD_CHARACTERS},
                {
                    "type": "object",
                    "properties": {
                        "external": {"type": "string", "minLength": 1, "maxLength": WORD_CHARACTERS}
                    },
                    "required": ["external"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Method = Annotated[Literal["crypto_shred", "delete_shards"], closed("crypto_shred", "delete_shards")]
Methods = Annotated[list[Method], BeforeValidator(as_list), Field(min_length=1, max_length=2), AlsoAlone()]


class Limits(Part):
    """How much of an institution may be destroyed in any `per`."""

    studies: Annotated[int, Field(ge=1)] | None = None
    percent: Annotated[float, Field(gt=0, le=100)] | None = None
    per: PeriodValue


class DisposalPart(Part):
    """Who signs, in this order, how long is waited after, how much at once, and how."""

    approvals: Annotated[list[ApproverValue], Field(min_length=1, max_length=20)]
    grace: PeriodValue | None = None
    limits: Limits | None = None
    method: Methods = Field(["crypto_shred", "delete_shards"])


class Title(Part):
    """What people call it, in the languages of the archive."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    en: Prose | None = None
    fr: Prose | None = None


class Document(Part):
    """What every document has."""

    api_version: Annotated[Literal["retention/v1"], closed(API_VERSION)] = Field(alias="apiVersion")
    name: Name

    def canonical(self) -> str:
        """Return what the document says, written in one way only: comments, order of keys and defaults left out."""
        said = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """Return the identity of this version: 64 hexadecimal digits of BLAKE3 over `canonical()`."""
        return blake3_digest(self.canonical().encode()).hex()


class RetentionPolicy(Document):
    """The law: how long, from when, and how it ends."""

    kind: Annotated[Literal["RetentionPolicy"], closed("RetentionPolicy")]
    version: Annotated[int, Field(ge=1)]
    effective_on: Day
    review_by: Day
    title: Title
    legal_basis: LegalBasis
    facts: list[DeclaredKind] = Field([], max_length=LIST_ITEMS)
    rules: Annotated[list[Rule], Field(min_length=1, max_length=LIST_ITEMS)]
    final_action: FinalActionWord = FinalAction.KEEP
    disposal: DisposalPart | None = None
    examples: list[Example] = Field([], max_length=LIST_ITEMS)


def fact_kinds(policies: Iterable[RetentionPolicy]) -> list[str]:
    """Return the kinds of facts that may be recorded: those of the language, and those the policies declare."""
    return list(dict.fromkeys([*FACT_KINDS, *(kind for policy in policies for kind in policy.facts)]))
