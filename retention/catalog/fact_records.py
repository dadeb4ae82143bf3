"""What is recorded about patients, as it goes into the catalog and comes out of it: plain values, no rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from retention.model.identifiers import KeyId
from retention.model.patient import PatientIdentity


class FactState(StrEnum):
    """What became of a record. A pending one waits for a second person and changes nothing until then."""

    STANDING = "standing"
    SUPERSEDED = "superseded"
    PENDING = "pending"
    REJECTED = "rejected"


class Attributed(StrEnum):
    """What a fact about identity says."""

    STUDY = "study"
    MERGE = "merge"
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Who recorded something, when, by which entry; `batch_id` names what was recorded together."""

    batch_id: str
    by: str
    at: datetime
    sequence: int


@dataclass(frozen=True, slots=True)
class FactStatement:
    """What a fact says. One that `withdraws` says only that what it supersedes no longer holds.

    `assurance` is `declared` or `verified`. `needs_approval`: it would bring an end earlier.
    """

    record_id: str
    kind: str
    from_on: date | None
    to_on: date | None
    source: str
    assurance: str
    supersedes: tuple[str, ...] = ()
    withdraws: bool = False
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class RecordedFact:
    """A fact as it was recorded about a patient, and what became of it. `decided_at`: approved or rejected."""

    patient: PatientIdentity
    institution: str
    statement: FactStatement
    recorded: Recorded
    state: FactState
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttributionStatement:
    """What a fact about identity says of `patient`: that `study_uid` is of this patient, that this is the same patient
    as `into`, or that it is not after all."""

    record_id: str
    what: Attributed
    patient: PatientIdentity
    source: str
    study_uid: str | None = None
    into: PatientIdentity | None = None
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class RecordedAttribution:
    """A fact about identity as it was recorded, and what became of it."""

    institution: str
    statement: AttributionStatement
    recorded: Recorded
    state: FactState
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """A patient. `same_as` is the one it is now known to be the same as (itself, mostly).

    `key_id` and `key_segment` say where the key is that everything recorded about this patient is under; None while
    nothing is.
    """

    identity: PatientIdentity
    same_as: PatientIdentity
    key_id: KeyId | None
    key_segment: int | None
    studies: int
