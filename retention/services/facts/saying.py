"""What somebody says about a patient, before it is recorded: its form, and what can be no fact.

The invariant: a saying that passed these checks can be recorded and evaluated; nothing about it is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from retention.catalog.policy_records import RETENTION_POLICY
from retention.markup.faults import did_you_mean
from retention.model.patient import PatientIdentity
from retention.policy.documents import fact_kinds
from retention.policy.words import Assurance
from retention.services.in_force import retention_policy
from retention.services.stores import Stores

EARLIEST_ON = date(1850, 1, 1)
IDENTITY = "identity"
TEXT_CHARACTERS = 200
ONCE = frozenset({"birth", "death"})
"""Kinds of which there is one in a life: a new one corrects the one before."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Saying:
    """A statement about a patient. With `withdraws` it only says that what it `supersedes` (record ids) is wrong."""

    patient: PatientIdentity
    kind: str
    from_on: date | None
    to_on: date | None
    source: str
    assurance: Assurance
    supersedes: tuple[str, ...] = ()
    withdraws: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """Why something can be no fact: a key of the message catalogue and its values."""

    key: str
    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, key: str, **values: object) -> Objection:
        return cls(key, tuple((name, str(value)) for name, value in values.items()))


def kinds_of(stores: Stores) -> list[str]:
    """Return the kinds that may be recorded: those of the language, and those that policies in force declare."""
    in_force = stores.catalog.policies.in_force()
    policies = [retention_policy(force.policy) for force in in_force if force.policy.kind == RETENTION_POLICY]
    return [kind for kind in fact_kinds(policies) if kind != IDENTITY]


def read_day(text: str) -> date | Objection | None:
    """Return the day that is written; None for an empty text."""
    text = text.strip()
    if not text:
        return None
    if not _DAY.match(text):
        return Objection.of("no_day", text=shown(text))
    try:
        return date.fromisoformat(text)
    except ValueError:
        return Objection.of("no_day", text=shown(text))


def objections(saying: Saying, kinds: Collection[str], today: date) -> Iterable[Objection]:
    """Yield what is wrong with a saying; `today` is the institution's."""
    if saying.kind == IDENTITY:
        yield Objection.of("identity")
    elif saying.kind not in kinds:
        near = did_you_mean(saying.kind, kinds)
        if near is None:
            yield Objection.of("unknown_kind", kind=shown(saying.kind), known=", ".join(kinds))
        else:
            yield Objection.of("near_kind", kind=shown(saying.kind), near=near)
    for text in (saying.patient.patient_id, saying.patient.issuer, saying.source):
        if len(text) > TEXT_CHARACTERS or not text.isprintable():
            yield Objection.of("no_text", text=shown(text), characters=TEXT_CHARACTERS)
    if not saying.patient.patient_id:
        yield Objection.of("no_patient")
    if not saying.source:
        yield Objection.of("no_source")
    yield from _day_objections(saying, today)


def _day_objections(saying: Saying, today: date) -> Iterable[Objection]:
    for day in (saying.from_on, saying.to_on):
        if day is not None and day > today:
            yield Objection.of("future", day=day, today=today)
        if day is not None and day < EARLIEST_ON:
            yield Objection.of("too_early", day=day, earliest=EARLIEST_ON)
    if saying.to_on is not None and saying.from_on is not None and saying.to_on < saying.from_on:
        yield Objection.of("backwards", first=saying.from_on, last=saying.to_on)
    if saying.kind in ONCE and saying.from_on is None and not saying.withdraws:
        yield Objection.of("undated", kind=saying.kind)
    if saying.kind in ONCE and saying.to_on is not None:
        yield Objection.of("no_period", kind=saying.kind)


def shown(text: str) -> str:
    """Return what may be printed of a text from outside."""
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= 40 else printable[:39] + "…"
