"""Which decisions have to be made again.

The invariant: whatever changes what a decision rests on marks the studies it is about in the same transaction, so that
a decision in the catalog is either fresh or known not to be. Marking too many costs time; marking too few is a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, select, text, update

from retention.catalog.fact_tables import PATIENT
from retention.catalog.tables import INSTITUTION, STUDY
from retention.model.states import StudyState

CHUNK = 500
FRESH = text("NOT is_stale")

UNDECIDED: dict[str, Any] = {
    "state": StudyState.PERMANENT.value,
    "reason": None,
    "holds": 0,
    "keep_until_on": None,
    "next_change_on": None,
    "is_stale": True,
    "plan_tier": None,
    "next_tier": None,
    "move_on": None,
}
"""What stands in a study's row until somebody has decided: keep for ever, and decide."""


def mark_study_stale(connection: Connection, study_row: int) -> int:
    """Mark one study; return how many were not stale before."""
    return _mark(connection, STUDY.c.id == study_row)


def mark_patients_stale(connection: Connection, patient_rows: Sequence[int]) -> int:
    """Mark all studies that belong to these patients; return how many were not stale before.

    Where an institution belongs to an entity, what the others of it have of the same patient is marked too.
    """
    marked = 0
    for start in range(0, len(patient_rows), CHUNK):
        chunk = patient_rows[start : start + CHUNK]
        marked += _mark(connection, STUDY.c.patient_row.in_(chunk))
        elsewhere = {other for _, other in connection.execute(same_in_entity(chunk))}
        if elsewhere:
            _mark(connection, STUDY.c.patient_row.in_(elsewhere))
    return marked


def same_in_entity(patient_rows: Sequence[int]) -> Select[Any]:
    """Return what asks for pairs of a patient (of these) and one of the same ID and issuer elsewhere in the entity.

    Under every number that either is known by.
    """
    mine, theirs = PATIENT.alias("mine"), PATIENT.alias("theirs")
    here, there = INSTITUTION.alias("here"), INSTITUTION.alias("there")
    return (
        select(mine.c.root_row, theirs.c.root_row)
        .join_from(mine, here, here.c.id == mine.c.institution_row)
        .join(there, and_(there.c.entity == here.c.entity, there.c.id != here.c.id))
        .join(
            theirs,
            and_(
                theirs.c.patient_id == mine.c.patient_id,
                theirs.c.issuer == mine.c.issuer,
                theirs.c.institution_row == there.c.id,
            ),
        )
        .where(mine.c.root_row.in_(patient_rows))
        .distinct()
    )


def mark_entity_stale(connection: Connection, entity: str) -> int:
    """Mark all studies of all institutions of an entity; return how many were not stale before."""
    members = select(INSTITUTION.c.id).where(INSTITUTION.c.entity == entity)
    return _mark(connection, STUDY.c.institution_row.in_(members))


def mark_institution_stale(connection: Connection, institution_row: int) -> int:
    """Mark all studies of an institution; return how many."""
    return _mark(connection, STUDY.c.institution_row == institution_row)


def _mark(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    fresh = update(STUDY).where(*conditions, FRESH).values(is_stale=True)
    return connection.execute(fresh).rowcount
