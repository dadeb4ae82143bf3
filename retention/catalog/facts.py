"""Asking for patients, and for what was recorded about them.

The invariant: what is said of a patient is said of everybody who is known to be the same; who asks never sees merges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from retention.catalog.columns import AnyRow, storable
from retention.catalog.database import Database
from retention.catalog.fact_records import (
    Attributed,
    AttributionStatement,
    FactState,
    FactStatement,
    PatientRecord,
    Recorded,
    RecordedAttribution,
    RecordedFact,
)
from retention.catalog.fact_tables import ATTRIBUTION, FACT, MESSAGE, PATIENT
from retention.catalog.paging import Lane, walk
from retention.catalog.patients import roots_of
from retention.catalog.places import institution_row
from retention.catalog.tables import INSTITUTION, STUDY
from retention.model.errors import NotFoundError, UsageError
from retention.model.identifiers import InstitutionId, KeyId
from retention.model.patient import PatientIdentity

KEYS = 500
VISIT = "last_visit"

_FACTS = (
    select(
        FACT,
        PATIENT.c.root_row,
        PATIENT.c.patient_id,
        PATIENT.c.issuer,
        INSTITUTION.c.institution_id,
        INSTITUTION.c.name.label("institution"),
    )
    .join(PATIENT, PATIENT.c.id == FACT.c.patient_row)
    .join(INSTITUTION, INSTITUTION.c.id == PATIENT.c.institution_row)
)
_INTO = PATIENT.alias("into_patient")
_ROOT = PATIENT.alias("root")
_ATTRIBUTIONS = (
    select(
        ATTRIBUTION,
        PATIENT.c.patient_id,
        PATIENT.c.issuer,
        _INTO.c.patient_id.label("into_id"),
        _INTO.c.issuer.label("into_issuer"),
        STUDY.c.study_uid,
        INSTITUTION.c.institution_id,
        INSTITUTION.c.name.label("institution"),
    )
    .join(PATIENT, PATIENT.c.id == ATTRIBUTION.c.patient_row)
    .join(INSTITUTION, INSTITUTION.c.id == PATIENT.c.institution_row)
    .outerjoin(_INTO, _INTO.c.id == ATTRIBUTION.c.into_row)
    .outerjoin(STUDY, STUDY.c.id == ATTRIBUTION.c.study_row)
)
_PATIENTS = (
    select(
        PATIENT,
        INSTITUTION.c.institution_id,
        _ROOT.c.patient_id.label("root_id"),
        _ROOT.c.issuer.label("root_issuer"),
    )
    .join(INSTITUTION, INSTITUTION.c.id == PATIENT.c.institution_row)
    .join(_ROOT, _ROOT.c.id == PATIENT.c.root_row)
)


class FactTable:
    """Reads of one catalog; made by `Catalog.facts`. Errors as the catalog's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def patient(self, patient: PatientIdentity) -> PatientRecord | None:
        """Return what is known of a patient; None when neither a study nor a fact ever named one."""
        with self._database.read() as connection:
            row = connection.execute(_PATIENTS.where(_is(patient))).first()
            return None if row is None else _patient(connection, row)

    def namesakes(self, patient: PatientIdentity) -> list[PatientIdentity]:
        """Return the patients of that institution with the same ID under other issuers."""
        same = (
            INSTITUTION.c.institution_id == patient.institution_id,
            PATIENT.c.patient_id == storable(patient.patient_id),
            PATIENT.c.issuer != storable(patient.issuer),
        )
        with self._database.read() as connection:
            rows = connection.execute(_PATIENTS.where(*same).order_by(PATIENT.c.id)).all()
        return [
            PatientIdentity(InstitutionId(row.institution_id), row.patient_id, row.issuer) for row in rows
        ]

    def of_patient(self, patient: PatientIdentity) -> list[RecordedFact]:
        """Return all that was ever recorded about a patient, also what no longer stands, in order."""
        with self._database.read() as connection:
            root = connection.execute(_PATIENTS.where(_is(patient))).first()
            return [] if root is None else read_facts(connection, [root.root_row]).get(root.root_row, [])

    def attributions_of(self, patient: PatientIdentity) -> list[RecordedAttribution]:
        """Return all that was ever recorded about whose studies are this patient's, and who is the same."""
        with self._database.read() as connection:
            found = connection.execute(_PATIENTS.where(_is(patient))).first()
            if found is None:
                return []
            family = select(PATIENT.c.id).where(PATIENT.c.root_row == found.root_row)
            rows = connection.execute(
                _ATTRIBUTIONS.where(ATTRIBUTION.c.patient_row.in_(family)).order_by(ATTRIBUTION.c.id)
            )
            return [_attribution(row) for row in rows]

    def studies_of(self, patient: PatientIdentity) -> list[str]:
        """Return the UIDs of the studies that belong to a patient, in order of arrival."""
        with self._database.read() as connection:
            found = connection.execute(_PATIENTS.where(_is(patient))).first()
            if found is None:
                return []
            studies = select(STUDY.c.study_uid).where(STUDY.c.patient_row == found.root_row)
            return list(connection.execute(studies.order_by(STUDY.c.id)).scalars())

    def patient_of(self, study_uid: str, institution: str) -> PatientIdentity | None:
        """Return the patient a study belongs to, by what is known now; None when nobody knows one."""
        root = (
            select(PATIENT.c.patient_id, PATIENT.c.issuer, INSTITUTION.c.institution_id)
            .join(STUDY, STUDY.c.patient_row == PATIENT.c.id)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(STUDY.c.study_uid == study_uid, INSTITUTION.c.name == institution)
        )
        with self._database.read() as connection:
            row = connection.execute(root).first()
        return (
            None
            if row is None
            else PatientIdentity(InstitutionId(row.institution_id), row.patient_id, row.issuer)
        )

    def visit_confirmed_on(self, patient: PatientIdentity) -> date | None:
        """Return the day (UTC) on which an authoritative source last said when this patient's last visit was.

        policy.md, Facts: what a source that is `verified` said, and still stands.
        """
        said = [
            fact.decided_at if fact.statement.needs_approval else fact.recorded.at
            for fact in self.of_patient(patient)
            if fact.statement.kind == VISIT
            and fact.statement.assurance == "verified"
            and not fact.statement.withdraws
            and fact.state is FactState.STANDING
        ]
        latest = max((at for at in said if at is not None), default=None)
        return None if latest is None else latest.date()

    def recorded(
        self,
        *,
        institution: str | None = None,
        patient: tuple[str, str] | None = None,
        is_pending: bool = False,
        after: str | None = None,
    ) -> Iterator[RecordedFact]:
        """Stream what was recorded, in order. `patient` is an ID and its issuer; an empty issuer is any.

        Raises UsageError for an unknown institution, NotFoundError when there is no record `after`.
        """
        with self._database.read() as connection:
            owner = None if institution is None else institution_row(connection, institution)
            place = None if after is None else (_place_of(connection, after),)
            lane = Lane(_wanted(connection, owner, patient, is_pending=is_pending), (FACT.c.id,))
        conditions = [] if owner is None else [PATIENT.c.institution_row == owner]

        def read(connection: Connection, keys: Sequence[AnyRow]) -> list[RecordedFact]:
            wanted = _FACTS.where(FACT.c.id.in_([key[0] for key in keys]), *conditions)
            return [_fact(row) for row in connection.execute(wanted.order_by(FACT.c.id))]

        return walk(self._database, lane, read, place)

    def find(self, record_id: str) -> RecordedFact:
        """Return a record by its id, or by a beginning of it that no other has. Raises NotFoundError, UsageError."""
        wanted = _FACTS.where(FACT.c.record_id.startswith(record_id, autoescape=True)).limit(2)
        with self._database.read() as connection:
            found = connection.execute(wanted).all() if record_id else []
        if not found:
            hint = "name one that `retention fact list` shows"
            raise NotFoundError(f"no fact {record_id} is recorded", hint=hint)
        if len(found) > 1:
            raise UsageError(f"several facts begin with {record_id}", hint="give more of its id")
        return _fact(found[0])

    def batch(self, batch_id: str) -> tuple[list[RecordedFact], list[RecordedAttribution]]:
        """Return what was recorded together."""
        with self._database.read() as connection:
            facts = connection.execute(_FACTS.where(FACT.c.batch_id == batch_id).order_by(FACT.c.id))
            identities = connection.execute(
                _ATTRIBUTIONS.where(ATTRIBUTION.c.batch_id == batch_id).order_by(ATTRIBUTION.c.id)
            )
            return [_fact(row) for row in facts], [_attribution(row) for row in identities]

    def pending_attributions(self) -> list[RecordedAttribution]:
        """Return the facts about identity that wait for a second person."""
        waiting = ATTRIBUTION.c.state == FactState.PENDING.value
        with self._database.read() as connection:
            rows = connection.execute(_ATTRIBUTIONS.where(waiting).order_by(ATTRIBUTION.c.id))
            return [_attribution(row) for row in rows]

    def messages_read(self, institution_id: InstitutionId, digests: Iterable[bytes]) -> set[bytes]:
        """Return which of these messages (keyed digests) were read already."""
        wanted, read = list(digests), set()
        known = select(MESSAGE.c.digest).join(INSTITUTION, INSTITUTION.c.id == MESSAGE.c.institution_row)
        with self._database.read() as connection:
            for start in range(0, len(wanted), KEYS):
                chunk = MESSAGE.c.digest.in_(wanted[start : start + KEYS])
                read |= set(
                    connection.execute(
                        known.where(INSTITUTION.c.institution_id == institution_id, chunk)
                    ).scalars()
                )
        return read


def read_facts(connection: Connection, roots: Sequence[int]) -> dict[int, list[RecordedFact]]:
    """Return all that was recorded about the patients of these (root) rows, by row, in order."""
    found: dict[int, list[RecordedFact]] = defaultdict(list)
    for start in range(0, len(roots), KEYS):
        wanted = _FACTS.where(PATIENT.c.root_row.in_(roots[start : start + KEYS]))
        for row in connection.execute(wanted.order_by(FACT.c.id)):
            found[row.root_row].append(_fact(row))
    return found


def _wanted(
    connection: Connection, owner: int | None, patient: tuple[str, str] | None, *, is_pending: bool
) -> Select[Any]:
    """Return the records to walk: those of a patient, those that wait, or all."""
    wanted = select(FACT.c.id)
    if patient is not None:
        roots = roots_of(connection, owner, *patient)
        family = select(PATIENT.c.id).where(PATIENT.c.root_row.in_(roots))
        wanted = wanted.where(FACT.c.patient_row.in_(family))
    if is_pending:
        wanted = wanted.where(FACT.c.state == FactState.PENDING.value)
    return wanted


def _place_of(connection: Connection, record_id: str) -> int:
    row = connection.execute(select(FACT.c.id).where(FACT.c.record_id == record_id)).scalar()
    if row is None:
        raise NotFoundError(
            f"no fact {record_id} is recorded", hint="name one that `retention fact list` shows"
        )
    return int(row)


def _is(patient: PatientIdentity) -> ColumnElement[bool]:
    return (
        (INSTITUTION.c.institution_id == patient.institution_id)
        & (PATIENT.c.patient_id == storable(patient.patient_id))
        & (PATIENT.c.issuer == storable(patient.issuer))
    )


def _patient(connection: Connection, row: AnyRow) -> PatientRecord:
    institution = InstitutionId(row.institution_id)
    studies = select(func.count()).select_from(STUDY).where(STUDY.c.patient_row == row.root_row)
    return PatientRecord(
        PatientIdentity(institution, row.patient_id, row.issuer),
        PatientIdentity(institution, row.root_id, row.root_issuer),
        None if row.key_id is None else KeyId(row.key_id),
        row.key_segment,
        int(connection.execute(studies).scalar() or 0),
    )


def _fact(row: AnyRow) -> RecordedFact:
    statement = FactStatement(
        row.record_id,
        row.kind,
        row.from_on,
        row.to_on,
        row.source,
        row.assurance,
        tuple(row.supersedes),
        row.withdraws,
        row.needs_approval,
    )
    return RecordedFact(
        PatientIdentity(InstitutionId(row.institution_id), row.patient_id, row.issuer),
        row.institution,
        statement,
        Recorded(row.batch_id, row.recorded_by, row.recorded_at, row.sequence),
        FactState(row.state),
        row.decided_by,
        row.decided_at,
    )


def _attribution(row: AnyRow) -> RecordedAttribution:
    institution = InstitutionId(row.institution_id)
    into = None if row.into_row is None else PatientIdentity(institution, row.into_id, row.into_issuer)
    statement = AttributionStatement(
        row.record_id,
        Attributed(row.what),
        PatientIdentity(institution, row.patient_id, row.issuer),
        row.source,
        row.study_uid,
        into,
        row.needs_approval,
    )
    return RecordedAttribution(
        row.institution,
        statement,
        Recorded(row.batch_id, row.recorded_by, row.recorded_at, row.sequence),
        FactState(row.state),
        row.decided_by,
        row.decided_at,
    )
