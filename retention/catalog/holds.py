"""Holds: which stand, and which studies each covers.

The invariant: a hold on a patient covers what belongs to that patient and what a header says does; whoever moves a
study from one to the other does not free it. What arrives later is covered as what was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, insert, or_, select, union_all, update

from retention.catalog.columns import AnyRow, storable
from retention.catalog.database import Database
from retention.catalog.disposal_records import BuriedKey, DoomedHold
from retention.catalog.fact_tables import PATIENT
from retention.catalog.hold_tables import HOLD, STANDING
from retention.catalog.places import PlaceRows, next_row
from retention.catalog.staleness import mark_institution_stale, mark_study_stale
from retention.catalog.tables import INSTITUTION, STUDY
from retention.model.identifiers import InstitutionId, KeyId


class HoldScope(StrEnum):
    STUDY = "study"
    PATIENT = "patient"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """A hold. Of `study_uid`, `patient_id` (with `issuer`, empty for any) and `query` the scope's own is given.

    `key_id` is the hold's own key, of one on a study or a patient; `key_segment` where it lies in the keyring.
    """

    hold_id: str
    institution_id: InstitutionId
    scope: HoldScope
    owner: str
    reason: str
    reassess_on: date
    placed_by: str | None
    placed_at: datetime
    sequence: int
    study_uid: str | None = None
    patient_id: str | None = None
    issuer: str = ""
    query: str | None = None
    released_at: datetime | None = None
    key_id: KeyId | None = None
    key_segment: int | None = None


@dataclass(frozen=True, slots=True)
class StandingHolds:
    """The holds that stand, as deciding asks for them: by the row of a study, and those with a query by institution."""

    by_study: dict[int, tuple[HoldRecord, ...]] = field(default_factory=dict)
    by_query: dict[InstitutionId, tuple[HoldRecord, ...]] = field(default_factory=dict)


_HOLD = select(HOLD, INSTITUTION.c.institution_id).join(
    INSTITUTION, INSTITUTION.c.id == HOLD.c.institution_row
)
_ANY_ISSUER = HOLD.c.issuer == ""


def _covered() -> tuple[Select[Any], ...]:
    """Return what covers studies by name: three short lanes, each along an index of studies or patients."""
    here = STUDY.c.institution_row == HOLD.c.institution_row
    header = and_(
        here, STUDY.c.patient_id == HOLD.c.patient_id, or_(_ANY_ISSUER, STUDY.c.issuer == HOLD.c.issuer)
    )
    patient = and_(
        PATIENT.c.institution_row == HOLD.c.institution_row,
        PATIENT.c.patient_id == HOLD.c.patient_id,
        or_(_ANY_ISSUER, PATIENT.c.issuer == HOLD.c.issuer),
    )
    pair = select(HOLD.c.id.label("hold"), STUDY.c.id.label("study"))
    return (
        pair.join_from(HOLD, STUDY, and_(here, STUDY.c.study_uid == HOLD.c.study_uid)),
        pair.join_from(HOLD, STUDY, header),
        pair.join_from(HOLD, PATIENT, patient).join(STUDY, STUDY.c.patient_row == PATIENT.c.root_row),
    )


def read_standing(connection: Connection) -> StandingHolds:
    """Return the holds that stand and, for those on studies and patients, what each covers now."""
    rows = connection.execute(_HOLD.where(STANDING).order_by(HOLD.c.id)).all()
    if not rows:
        return StandingHolds()
    records = {row.id: _record(row) for row in rows}
    covered: dict[int, set[int]] = {}
    lanes = union_all(*(lane.where(HOLD.c.released_at.is_(None)) for lane in _covered()))
    for hold, study in connection.execute(lanes):
        covered.setdefault(study, set()).add(hold)
    queries: dict[InstitutionId, tuple[HoldRecord, ...]] = {}
    for record in records.values():
        if record.scope is HoldScope.QUERY:
            queries[record.institution_id] = (*queries.get(record.institution_id, ()), record)
    by_study = {study: tuple(records[hold] for hold in sorted(holds)) for study, holds in covered.items()}
    return StandingHolds(by_study, queries)


def released_holds_on(connection: Connection, study_row: int) -> tuple[DoomedHold, ...]:
    """Return the holds that covered a study by its name or its patient's, and have a key."""
    lanes = [
        lane.where(STUDY.c.id == study_row, HOLD.c.released_at.is_not(None), HOLD.c.key_id.is_not(None))
        for lane in _covered()
    ]
    found = {hold for hold, _ in connection.execute(union_all(*lanes))}
    doomed = []
    for row in connection.execute(select(HOLD).where(HOLD.c.id.in_(found)).order_by(HOLD.c.id)).all():
        covered = union_all(*(lane.where(HOLD.c.id == row.id) for lane in _covered()))
        studies = {study for _, study in connection.execute(covered)}
        doomed.append(DoomedHold(row.id, len(studies), BuriedKey(KeyId(row.key_id), row.key_segment)))
    return tuple(doomed)


class Holds:
    """What the catalog answers about holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self) -> list[HoldRecord]:
        """The holds that nobody has released, oldest first."""
        return self._read(_HOLD.where(STANDING).order_by(HOLD.c.id))

    def all(self) -> list[HoldRecord]:
        """Every hold there ever was, oldest first."""
        return self._read(_HOLD.order_by(HOLD.c.id))

    def beginning(self, hold_id: str) -> list[HoldRecord]:
        """The holds whose ids begin so."""
        return self._read(_HOLD.where(HOLD.c.hold_id.startswith(hold_id, autoescape=True)))

    def covered_by_name(self, hold_id: str) -> list[int]:
        """The rows of the studies that a hold on a study or a patient covers now."""
        lanes = union_all(*(lane.where(HOLD.c.hold_id == hold_id) for lane in _covered()))
        with self._database.read() as connection:
            return sorted({study for _, study in connection.execute(lanes)})

    def _read(self, wanted: Select[Any]) -> list[HoldRecord]:
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(wanted)]


class HoldWriting:
    """What one step of the committer may do to holds."""

    def __init__(self, connection: Connection, places: PlaceRows) -> None:
        self._connection = connection
        self._places = places

    def place(self, record: HoldRecord) -> None:
        """Place a hold; what it covers has to be decided again. One that is known changes nothing."""
        if self._row(record.hold_id) is not None:
            return
        owner = self._places.institution(record.institution_id)
        row = next_row(self._connection, HOLD.c.id)
        self._connection.execute(
            insert(HOLD).values(
                id=row,
                hold_id=record.hold_id,
                institution_row=owner,
                scope=record.scope.value,
                study_uid=record.study_uid,
                patient_id=record.patient_id,
                issuer=record.issuer,
                query=record.query,
                owner=storable(record.owner),
                reason=storable(record.reason),
                reassess_on=record.reassess_on,
                placed_by=record.placed_by,
                placed_at=record.placed_at,
                sequence=record.sequence,
                key_id=record.key_id,
                key_segment=record.key_segment,
            )
        )
        self._mark(row)

    def release(self, hold_id: str, at: datetime) -> None:
        """Release a hold; what it covered has to be decided again. Raises ValueError for one that is not known."""
        row = self._row(hold_id)
        if row is None:
            raise ValueError(f"hold {hold_id} is not known")
        standing = update(HOLD).where(HOLD.c.id == row, STANDING).values(released_at=at)
        if self._connection.execute(standing).rowcount:
            self._mark(row)

    def forget(self, key_ids: Sequence[KeyId]) -> None:
        """Drop the released holds of these keys, which were destroyed."""
        gone = HOLD.c.key_id.in_(key_ids), HOLD.c.released_at.is_not(None)
        self._connection.execute(delete(HOLD).where(*gone))

    def _mark(self, row: int) -> None:
        hold = self._connection.execute(select(HOLD).where(HOLD.c.id == row)).one()
        if hold.scope == HoldScope.QUERY.value:
            mark_institution_stale(self._connection, hold.institution_row)
            return
        lanes = union_all(*(lane.where(HOLD.c.id == row) for lane in _covered()))
        for study in {study for _, study in self._connection.execute(lanes).all()}:
            mark_study_stale(self._connection, study)

    def _row(self, hold_id: str) -> int | None:
        row: int | None = self._connection.execute(
            select(HOLD.c.id).where(HOLD.c.hold_id == hold_id)
        ).scalar()
        return row


def _record(row: AnyRow) -> HoldRecord:
    return HoldRecord(
        row.hold_id,
        InstitutionId(row.institution_id),
        HoldScope(row.scope),
        row.owner,
        row.reason,
        row.reassess_on,
        row.placed_by,
        row.placed_at,
        row.sequence,
        row.study_uid,
        row.patient_id,
        row.issuer or "",
        row.query,
        row.released_at,
        row.key_id,
        row.key_segment,
    )
