"""What is decided about: a study, the standing facts about its patient, the holds on it.

The evaluation sees nothing else. Whatever is None (or, in a set, None among its words) is unknown, and an unknown never
destroys. Texts are compared without case; codes keep theirs in upper case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from retention.policy.words import Assurance

EARLIEST_STUDY_ON = date(1900, 1, 1)
EARLIEST_BIRTH_ON = date(1850, 1, 1)
DICOM_DATE_CHARACTERS = 8

Words = frozenset[str | None]
Attribute = str | Iterable[str | None] | None


@dataclass(frozen=True, slots=True)
class Study:
    """The attributes policies match on. Make it with `Study.of`, which folds case.

    `study_on` is a usable date or None (policy.md, Dates 3); `ingested_on` is the day the first instance arrived.
    """

    study_on: date | None = None
    ingested_on: date | None = None
    institution: str | None = None
    entity: str | None = None
    modalities: Words | None = None
    sop_classes: Words | None = None
    body_parts: Words | None = None
    manufacturers: Words | None = None
    department: str | None = None
    description: str | None = None

    @classmethod
    def of(
        cls,
        study_date: str | date | None = None,
        *,
        ingested_on: date | None = None,
        institution: str | None = None,
        entity: str | None = None,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> Self:
        """Return the study with case folded and its date judged.

        `study_date` may be DICOM's text (`YYYYMMDD`). `attributes` go by the words of the language: `modality`,
        `sop_class`, `body_part`, `manufacturer` (each a word, or the words of all series, None for a series without
        one), `department`, `study_description`. Raises ValueError for any other.
        """
        given = dict(attributes or {})
        study = cls(
            study_on=usable_study_date(study_date, ingested_on),
            ingested_on=ingested_on,
            institution=institution,
            entity=entity,
            modalities=_folded(given.pop("modality", None)),
            sop_classes=_folded(given.pop("sop_class", None)),
            body_parts=_folded(given.pop("body_part", None)),
            manufacturers=_folded(given.pop("manufacturer", None)),
            department=_text(given.pop("department", None)),
            description=_text(given.pop("study_description", None)),
        )
        if given:
            raise ValueError(f"policies do not match on {', '.join(given)}")
        return study


@dataclass(frozen=True, slots=True)
class Fact:
    """A dated statement about a patient: an event on `from_on`, or a period to `to_on` (open while that is None).

    `institution` (and its `entity`) is given when a link to another institution's identity carries it here; such a
    fact never shortens (policy.md, Facts). `on` is the day it counts from: the last one known of it.
    """

    kind: str
    from_on: date | None = None
    to_on: date | None = None
    assurance: Assurance = Assurance.DECLARED
    source: str = ""
    institution: str | None = None
    entity: str | None = None
    on: date | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "on", self.to_on or self.from_on)


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold that covers the study. A reassess date that has passed is a finding, never a release."""

    hold_id: str
    owner: str
    reason: str
    reassess_on: date | None = None


def fold(word: str) -> str:
    """Return `word` as it is compared."""
    return word.strip().casefold()


def usable_study_date(value: str | date | None, ingested_on: date | None = None) -> date | None:
    """Return the date if it can be one: whole, possible, from 1900 on, not after ingest (policy.md, Dates 3)."""
    if isinstance(value, str):
        value = _dicom_date(value.strip())
    if value is None or value < EARLIEST_STUDY_ON or (ingested_on is not None and value > ingested_on):
        return None
    return value


def usable_birth_date(text: str | None, ingested_on: date | None = None) -> date | None:
    """Return the birth date a header tells if it can be one: whole, possible, not after the study came in."""
    born_on = None if text is None else _dicom_date(text.strip())
    if born_on is None or born_on < EARLIEST_BIRTH_ON or (ingested_on is not None and born_on > ingested_on):
        return None
    return born_on


def _dicom_date(text: str) -> date | None:
    if len(text) != DICOM_DATE_CHARACTERS or not (text.isascii() and text.isdigit()):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def _folded(words: Attribute) -> Words | None:
    if words is None:
        return None
    several = [words] if isinstance(words, str) else words
    return frozenset(fold(word) if word and word.strip() else None for word in several) or None


def _text(words: Attribute) -> str | None:
    """Return the one text of an attribute that has only one."""
    if words is None or isinstance(words, str):
        return fold(words) or None if words else None
    raise ValueError("department and study_description are single texts")
