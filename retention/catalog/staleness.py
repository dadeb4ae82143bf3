"""Which decisions have to be made again.

The invariant: whatever changes what a decision rests on marks the studies it is about in the same transaction, so that
a decision in the catalog is either fresh or known not to be. Marking too many costs time; marking too few is a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, text, update

from retention.catalog.tables import STUDY
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
    """Mark all studies that belong to these patients; return how many were not stale before."""
    return sum(
        _mark(connection, STUDY.c.patient_row.in_(patient_rows[start : start + CHUNK]))
        for start in range(0, len(patient_rows), CHUNK)
    )


def mark_institution_stale(connection: Connection, institution_row: int) -> int:
    """Mark all studies of an institution; return how many."""
    return _mark(connection, STUDY.c.institution_row == institution_row)


def _mark(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    fresh = update(STUDY).where(*conditions, FRESH).values(is_stale=True)
    return connection.execute(fresh).rowcount
