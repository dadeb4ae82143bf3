"""What deciding about studies reads and writes: patients with all their studies, in bounded batches, and the outcome.

The invariant: a batch is read, decided and written in one step of the committer, so no fact, hold or study can come in
between and be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, TextClause, bindparam, func, select, update

from retention.catalog.columns import storable
from retention.catalog.fact_records import RecordedFact
from retention.catalog.fact_tables import PATIENT
from retention.catalog.facts import read_facts
from retention.catalog.holdings import UNKNOWN_CLASS
from retention.catalog.holds import StandingHolds, read_standing
from retention.catalog.places import read_institutions
from retention.catalog.policies import read_enactments, read_in_force
from retention.catalog.policy_records import EnactmentRecord, ForceRecord
from retention.catalog.records import InstitutionRecord
from retention.catalog.staleness import same_in_entity
from retention.catalog.tables import INSTITUTION, PACKAGE, SERIES, STALE, STUDY
from retention.model.errors import NotFoundError
from retention.model.identifiers import InstitutionId
from retention.model.patient import PatientIdentity
from retention.model.states import StudyState

CHUNK = 500
UNRULED = ("no_policy", "no_rule")
"""The reasons of decisions that rest on no rule (policy.md, Matching)."""

Words = tuple[str | None, ...]


@dataclass(slots=True)
class StudyToDecide:
    """A study with all that policies and plans look at. `row` is the catalog's own name for it, to be given back."""

    row: int
    patient_row: int | None
    institution_id: InstitutionId
    study_uid: str
    birth_date: str | None
    study_date: str | None
    received_at: datetime
    description: str | None
    department: str | None
    sop_classes: Words
    bytes_received: int
    accessed_on: date | None
    is_stale: bool
    series: tuple[tuple[str | None, str | None, str | None], ...] = ()
    """Modality, body part and manufacturer of every series."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another institution of the same entity has of the same Patient ID and issuer: studies and facts."""

    studies: tuple[StudyToDecide, ...]
    recorded: tuple[RecordedFact, ...]


@dataclass(frozen=True, slots=True)
class PatientToDecide:
    """A patient of one institution, with all studies that are his or hers there, and all that was ever recorded, also
    what no longer stands. A study of nobody known stands alone. `elsewhere` is read by who needs it."""

    institution_id: InstitutionId
    studies: tuple[StudyToDecide, ...]
    recorded: tuple[RecordedFact, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()

    @property
    def row(self) -> int | None:
        """The patient's row, None of a study that is nobody's."""
        return self.studies[0].patient_row


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a study, as its header tells them: enough to say whether it can be the first or last."""

    row: int
    study_date: str | None
    received_at: datetime
    birth_date: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What is written of a study (`StudyToDecide.row`) that was decided."""

    row: int
    state: StudyState
    reason: str
    holds: int
    keep_until_on: date | None
    next_change_on: date | None
    plan_tier: str | None
    next_tier: str | None
    move_on: date | None


_STUDY = select(
    STUDY.c.id,
    STUDY.c.patient_row,
    INSTITUTION.c.institution_id,
    STUDY.c.study_uid,
    STUDY.c.birth_date,
    STUDY.c.study_date,
    STUDY.c.received_at,
    STUDY.c.description,
    STUDY.c.department,
    STUDY.c.sop_classes,
    STUDY.c.bytes_received,
    STUDY.c.accessed_on,
    STUDY.c.is_stale,
).join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
_CLASSES = list(_STUDY.selected_columns.keys()).index("sop_classes")
_SERIES = select(SERIES.c.study_row, SERIES.c.modality, SERIES.c.body_part, SERIES.c.manufacturer).distinct()
_DECISION = (
    "state",
    "reason",
    "holds",
    "keep_until_on",
    "next_change_on",
    "plan_tier",
    "next_tier",
    "move_on",
)
_RECORD = (
    update(STUDY)
    .where(STUDY.c.id == bindparam("the_id"))
    .values({**{name: bindparam(name) for name in _DECISION}, "is_stale": False})
)


class Deciding:
    """One step of deciding, within a transaction or a view."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def institutions(self) -> list[InstitutionRecord]:
        return read_institutions(self._connection)

    def in_force(self) -> list[ForceRecord]:
        return read_in_force(self._connection)

    def holds(self) -> StandingHolds:
        """The holds that stand, and what they cover."""
        return read_standing(self._connection)

    def enactments(self) -> dict[InstitutionId, list[EnactmentRecord]]:
        return read_enactments(self._connection)

    def stale(self, after: int, limit: int) -> list[int]:
        """Return the next studies whose decision is stale, in order of arrival, behind the study `after`."""
        wanted = select(STUDY.c.id).where(STALE, STUDY.c.id > after).order_by(STUDY.c.id).limit(limit)
        return list(self._connection.execute(wanted).scalars())

    def changing(self, institution_id: InstitutionId, on: date, limit: int) -> list[int]:
        """Return studies of an institution whose decision time has changed by the day `on`, soonest first."""
        wanted = (
            select(STUDY.c.id)
            .where(STUDY.c.next_change_on <= on, STUDY.c.institution_row == self._owner(institution_id))
            .order_by(STUDY.c.next_change_on, STUDY.c.id)
            .limit(limit)
        )
        return list(self._connection.execute(wanted).scalars())

    def patients_of(self, rows: Sequence[int]) -> list[PatientToDecide]:
        """Return the patients these studies belong to, each once, with all their studies."""
        found: dict[int, StudyToDecide] = {}
        patients: set[int] = set()
        for chunk in _chunks(rows):
            for study in self._studies(_STUDY.where(STUDY.c.id.in_(chunk))):
                found[study.row] = study
                if study.patient_row is not None:
                    patients.add(study.patient_row)
        for chunk in _chunks(sorted(patients)):
            for study in self._studies(_STUDY.where(STUDY.c.patient_row.in_(chunk))):
                found[study.row] = study
        return list(self._patients(list(found.values())))

    def sizes_of(self, rows: Sequence[int]) -> dict[int, int]:
        """Return how many studies the patients of these studies have, by the patient's row."""
        sizes: dict[int, int] = {}
        for chunk in _chunks(rows):
            theirs = select(STUDY.c.patient_row).where(
                STUDY.c.id.in_(chunk), STUDY.c.patient_row.is_not(None)
            )
            counted = select(STUDY.c.patient_row, func.count()).where(STUDY.c.patient_row.in_(theirs))
            sizes |= dict(self._connection.execute(counted.group_by(STUDY.c.patient_row)).all())
        return sizes

    def rows_of(self, patient_row: int, among: Sequence[int]) -> list[int]:
        """Return those of these studies that are this patient's."""
        found: list[int] = []
        for chunk in _chunks(among):
            wanted = select(STUDY.c.id).where(STUDY.c.id.in_(chunk), STUDY.c.patient_row == patient_row)
            found += self._connection.execute(wanted).scalars()
        return found

    def days_of(self, patient_row: int) -> Iterator[Days]:
        """Yield the days of all studies of a patient, however many there are."""
        wanted = select(STUDY.c.id, STUDY.c.study_date, STUDY.c.received_at, STUDY.c.birth_date).where(
            STUDY.c.patient_row == patient_row
        )
        for row in self._connection.execution_options(yield_per=CHUNK).execute(wanted):
            yield Days(*row)

    def studies_at(self, rows: Sequence[int]) -> list[PatientToDecide]:
        """Return the patients of these studies, with these alone."""
        found: list[StudyToDecide] = []
        for chunk in _chunks(rows):
            found += self._studies(_STUDY.where(STUDY.c.id.in_(chunk)))
        return list(self._patients(found))

    def same_elsewhere(self, patient_rows: Sequence[int]) -> dict[int, list[int]]:
        """Return by patient the patients of the same ID and issuer at other institutions of the same entity."""
        found: dict[int, list[int]] = {}
        for chunk in _chunks(patient_rows):
            for row, other in self._connection.execute(same_in_entity(chunk)):
                found.setdefault(row, []).append(other)
        return found

    def facts_at(self, patient_rows: Sequence[int]) -> dict[int, list[RecordedFact]]:
        """Return everything that was recorded about patients, by their rows."""
        return read_facts(self._connection, sorted(patient_rows))

    def count_stale(self) -> int:
        """Count the studies whose decision is stale."""
        return self._count(STALE)

    def count_unruled(self) -> int:
        """Count the studies that no rule speaks of: kept for ever because nobody said otherwise."""
        return self._count(STUDY.c.reason.in_(UNRULED))

    def _count(self, condition: ColumnElement[bool] | TextClause) -> int:
        return int(
            self._connection.execute(select(func.count()).select_from(STUDY).where(condition)).scalar_one()
        )

    def row_of(self, institution_id: InstitutionId, study_uid: str) -> int:
        """Return the row of a study that is held there. Raises NotFoundError."""
        row = study_row_of(self._connection, self._owner(institution_id), study_uid)
        if row is None:
            raise NotFoundError(f"no study {study_uid} is held", study=study_uid)
        return row

    def patient(self, patient: PatientIdentity) -> PatientToDecide | None:
        """Return one patient, None when no study of his or hers is held there."""
        root = (
            select(PATIENT.c.root_row)
            .join(INSTITUTION, INSTITUTION.c.id == PATIENT.c.institution_row)
            .where(
                INSTITUTION.c.institution_id == patient.institution_id,
                PATIENT.c.patient_id == storable(patient.patient_id),
                PATIENT.c.issuer == storable(patient.issuer),
            )
        )
        wanted = _STUDY.where(STUDY.c.patient_row == root.scalar_subquery())
        return next(self._patients(list(self._studies(wanted))), None)

    def patients_after(
        self, institution_id: InstitutionId, after: int, limit: int
    ) -> tuple[list[PatientToDecide], int | None]:
        """Return the next patients of an institution with all their studies, and where to go on; None at the end."""
        owner = self._owner(institution_id)
        wanted = select(PATIENT.c.id).where(PATIENT.c.institution_row == owner, PATIENT.c.id > after)
        rows = list(self._connection.execute(wanted.order_by(PATIENT.c.id).limit(limit)).scalars())
        found: list[StudyToDecide] = []
        for chunk in _chunks(rows):
            found += self._studies(_STUDY.where(STUDY.c.patient_row.in_(chunk)))
        return list(self._patients(found)), rows[-1] if len(rows) == limit else None

    def nameless_after(
        self, institution_id: InstitutionId, after: int, limit: int
    ) -> tuple[list[PatientToDecide], int | None]:
        """Return the next studies that belong to nobody, each standing alone, and where to go on; None at the end."""
        of_nobody = (STUDY.c.patient_row.is_(None), STUDY.c.institution_row == self._owner(institution_id))
        wanted = _STUDY.where(*of_nobody, STUDY.c.id > after).order_by(STUDY.c.id).limit(limit)
        found = list(self._studies(wanted))
        last = found[-1].row if len(found) == limit else None
        return list(self._patients(found)), last

    def _owner(self, institution_id: InstitutionId) -> int:
        wanted = select(INSTITUTION.c.id).where(INSTITUTION.c.institution_id == institution_id)
        return int(self._connection.execute(wanted).scalar_one())

    def record(self, decided: Sequence[Decided]) -> None:
        """Write decisions; what they are about is no longer stale."""
        if decided:
            rows = [
                {
                    "the_id": each.row,
                    "state": each.state.value,
                    "reason": each.reason,
                    "holds": each.holds,
                    "keep_until_on": each.keep_until_on,
                    "next_change_on": each.next_change_on,
                    "plan_tier": each.plan_tier,
                    "next_tier": each.next_tier,
                    "move_on": each.move_on,
                }
                for each in decided
            ]
            self._connection.execute(_RECORD, rows)

    def _studies(self, wanted: Select[Any]) -> Iterator[StudyToDecide]:
        for row in self._connection.execute(wanted):
            values: list[Any] = list(row)
            values[_CLASSES] = _words(values[_CLASSES])
            yield StudyToDecide(*values)

    def _patients(self, studies: list[StudyToDecide]) -> Iterator[PatientToDecide]:
        by_row = {study.row: study for study in studies}
        series: dict[int, list[tuple[str | None, str | None, str | None]]] = {}
        for chunk in _chunks(sorted(by_row)):
            for row, *words in self._connection.execute(_SERIES.where(SERIES.c.study_row.in_(chunk))):
                series.setdefault(row, []).append((words[0], words[1], words[2]))
        for row, several in series.items():
            by_row[row].series = tuple(several)
        facts = read_facts(
            self._connection, sorted({s.patient_row for s in studies if s.patient_row is not None})
        )
        studies.sort(key=lambda study: (_patient_key(study), study.row))
        for _, same in groupby(studies, key=_patient_key):
            held = tuple(same)
            first = held[0]
            recorded = () if first.patient_row is None else tuple(facts.get(first.patient_row, ()))
            yield PatientToDecide(first.institution_id, held, recorded)


def _patient_key(study: StudyToDecide) -> tuple[int, int]:
    return (0, study.row) if study.patient_row is None else (study.patient_row, 0)


def _words(joined: str) -> Words:
    return tuple(None if word == UNKNOWN_CLASS else word for word in joined.split(",") if word)


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def study_row_of(connection: Connection, institution_row: int, study_uid: str) -> int | None:
    """Return the row of a study of an institution, None when it is not held."""
    wanted = select(STUDY.c.id).where(
        STUDY.c.study_uid == study_uid, STUDY.c.institution_row == institution_row
    )
    row: int | None = connection.execute(wanted).scalar()
    return row


def record_access(connection: Connection, package_row: int, on: date) -> None:
    """Note the day of an access to the study of a package; an earlier one changes nothing."""
    study = select(PACKAGE.c.study_row).where(PACKAGE.c.id == package_row)
    connection.execute(
        update(STUDY)
        .where(
            STUDY.c.id == study.scalar_subquery(),
            func.coalesce(STUDY.c.accessed_on, date.min) < on,
        )
        .values(accessed_on=on, is_stale=True)
    )
