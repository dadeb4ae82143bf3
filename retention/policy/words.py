"""The closed lists of the language, and how its words, days, periods and shares are written.

A value that is not exactly one of these is a fault, never a guess. Each type carries its JSON Schema, so that editors
complete from the same list the loader checks against.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, ValidationInfo
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from retention.markup.faults import did_you_mean
from retention.markup.text import short
from retention.model.identifiers import is_name, is_uid
from retention.model.states import StudyState
from retention.policy.messages import MESSAGES
from retention.policy.period import LONGEST_YEARS, Period, is_too_long, parse_period

API_VERSION = "retention/v1"
TRIGGERS = (
    "last_visit",
    "study_date",
    "ingest_date",
    "birth",
    "death",
    "diagnosis",
    "discharge",
    "last_treatment",
    "last_change",
    "transfusion",
    "transplant",
)
FACT_KINDS = (*TRIGGERS, "liability_appeal", "opposition", "identity")
TEXT_CHARACTERS = 2_000
WORD_CHARACTERS = 200
LIST_ITEMS = 500

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})\Z", re.ASCII)
_DICOM_DAY = re.compile(r"[0-9]{0,8}\Z")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%\Z", re.ASCII)
DAY_PATTERN = r"^\d{4}-\d{2}-\d{2}$"
_NUMBER_OF_YEARS = 50  # a bare number up to this was probably meant as years
_PERIOD_PATTERN = r"^P(?=\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?$"


class FinalAction(StrEnum):
    """What may happen to a study whose time is over."""

    KEEP = "keep"
    REVIEW = "review"
    DESTROY = "destroy"


class Assurance(StrEnum):
    """How well a fact is known."""

    DECLARED = "declared"
    VERIFIED = "verified"


def wrong(kind: str, suggestion: str | None = None, **values: object) -> PydanticCustomError:
    """Return the error to raise from a validator: its sentence is looked up when the language is known."""
    texts = {name: str(value) for name, value in values.items()}
    return PydanticCustomError(
        kind, "{sentence}", {**texts, "sentence": MESSAGES[kind].en.format(**texts), "suggestion": suggestion}
    )


def listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def check_word(word: object, known: Iterable[str]) -> str:
    """Return `word` if it is one of `known`. Raises the validator's error otherwise."""
    known = tuple(known)
    if word in known:
        return str(word)
    raise wrong("unknown_word", did_you_mean(str(word), known), word=short(word), known=listed(known))


def closed(*words: str) -> BeforeValidator:
    """Return a validator that lets only these words pass, with a did-you-mean for the others."""
    return BeforeValidator(lambda word: check_word(word, words))


def _enum(values: type[StrEnum]) -> BeforeValidator:
    return BeforeValidator(lambda word: values(check_word(word, [value.value for value in values])))


def read_period(value: object) -> Period:
    """Return the period that `value` writes. Raises the validator's error for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        unit = "Y" if value <= _NUMBER_OF_YEARS else "D"
        raise wrong(
            "bare_number",
            f"P{value}{unit}" if isinstance(value, int) and value > 0 else None,
            number=short(value),
        )
    if not isinstance(value, str):
        raise wrong("not_a_period", word=short(value))
    period = parse_period(value)
    if period is None:
        if parse_period(value.replace("-", "")) is not None and "-" in value:
            raise wrong("negative_period", word=short(value))
        guess = value.strip().upper()
        guess = guess if guess.startswith("P") else f"P{guess}"
        raise wrong("not_a_period", guess if parse_period(guess) else None, word=short(value))
    if not period.months and not period.days:
        raise wrong("no_time", word=short(value))
    if is_too_long(period):
        raise wrong("too_long_period", word=short(value), years=LONGEST_YEARS)
    return period


def _read_keep(value: object) -> Period | Literal["forever"]:
    if value == "forever":
        return "forever"
    if isinstance(value, str) and did_you_mean(value, ["forever"]):
        raise wrong("not_a_period", "forever", word=short(value))
    return read_period(value)


def read_day(value: object) -> date:
    """Return the day that `value` writes as 2026-11-24. Raises the validator's error for anything else."""
    found = _DAY.match(value) if isinstance(value, str) else None
    if found is None:
        raise wrong("not_a_day", word=short(value))
    try:
        return date(*(int(part) for part in found.groups()))
    except ValueError as error:
        raise wrong("no_such_day", word=value) from error


def _read_study_day(value: object) -> str:
    """An example's study date may be what a modality wrote: `20050000` is a missing date, not a mistake."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and _DICOM_DAY.match(text):
        return text
    return read_day(text).isoformat().replace("-", "")


def _read_share(value: object) -> float:
    found = _SHARE.match(value) if isinstance(value, str) else None
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share <= 1:
        guess = f"{value}%" if isinstance(value, int | float) and 0 < value <= 100 else None
        raise wrong("not_a_share", guess, word=short(value))
    return share


def _text_check(kind: str, is_right: Callable[[str], bool]) -> AfterValidator:
    def validate(word: str) -> str:
        if not is_right(word):
            raise wrong(kind, word=short(word))
        return word

    return AfterValidator(validate)


def _known_kind(word: str, info: ValidationInfo) -> str:
    known: list[str] = (info.context or {}).get("kinds", list(FACT_KINDS))
    if word not in known:
        raise wrong("unknown_fact", did_you_mean(word, known), word=short(word), known=listed(known))
    return word


def as_list(value: object) -> object:
    """One word means a list of one."""
    return value if isinstance(value, list) or value is None else [value]


def _schema(**schema: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


_PERIOD_SCHEMA: dict[str, object] = {"pattern": _PERIOD_PATTERN, "examples": ["P20Y", "P1Y6M", "P90D"]}

Prose = Annotated[str, Field(min_length=1, max_length=TEXT_CHARACTERS)]
Word = Annotated[str, Field(min_length=1, max_length=WORD_CHARACTERS)]
Name = Annotated[
    str, _text_check("not_a_name", is_name), _schema(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
]
Uid = Annotated[str, _text_check("not_a_uid", is_uid), _schema(pattern="^[0-9.]{1,64}$")]
DeclaredKind = Annotated[
    str,
    _text_check("not_a_kind", lambda word: _KIND.match(word) is not None),
    _schema(pattern="^[a-z][a-z0-9_]{0,62}$"),
]
FactKind = Annotated[
    str,
    AfterValidator(_known_kind),
    WithJsonSchema(
        {"anyOf": [{"enum": list(FACT_KINDS)}, {"type": "string", "pattern": _KIND.pattern[:-2] + "$"}]}
    ),
]
Trigger = Annotated[str, closed(*TRIGGERS), _schema(enum=list(TRIGGERS))]
Scope = Annotated[Literal["institution", "entity"], closed("institution", "entity")]
PeriodValue = Annotated[
    Period, PlainValidator(read_period), PlainSerializer(str, return_type=str), _schema(**_PERIOD_SCHEMA)
]
Keep = Annotated[
    Period | Literal["forever"],
    PlainValidator(_read_keep),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"anyOf": [{"type": "string", **_PERIOD_SCHEMA}, {"const": "forever"}]}),
]
Day = Annotated[
    date,
    PlainValidator(read_day),
    PlainSerializer(date.isoformat, return_type=str),
    _schema(pattern=DAY_PATTERN, examples=["2026-11-24"]),
]
StudyDay = Annotated[
    str,
    PlainValidator(_read_study_day),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["2026-11-24", "20050000"]}),
]
Share = Annotated[
    float,
    PlainValidator(_read_share),
    PlainSerializer(lambda share: f"{share * 100:g}%", return_type=str),
    _schema(pattern=r"^\d{1,3}(\.\d{1,6})? ?%$", examples=["2%"]),
]
StateWord = Annotated[StudyState, _enum(StudyState)]
FinalActionWord = Annotated[FinalAction, _enum(FinalAction)]
AssuranceWord = Annotated[Assurance, _enum(Assurance)]
