"""Patients as rows: found or made, known to be the same as another, or not after all.

The invariant: every patient's `root_row` is the end of its chain of merges, and every study's `patient_row` is the root
of the patient it is attributed to; so a question about a person looks at one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update

from retention.catalog.bulk import insert_rows
from retention.catalog.columns import storable
from retention.catalog.fact_tables import PATIENT
from retention.catalog.tables import STUDY

PatientName = tuple[int, str, str]
"""The row of the institution, Patient ID, issuer (empty where there is none)."""

KEYS = 500

_NAMED = select(
    PATIENT.c.institution_row, PATIENT.c.patient_id, PATIENT.c.issuer, PATIENT.c.id, PATIENT.c.root_row
)


class PatientPlace(NamedTuple):
    """A patient's own row, and that of the patient it is known to be the same as."""

    row: int
    root: int


def find_patients(connection: Connection, names: Iterable[PatientName]) -> dict[PatientName, PatientPlace]:
    """Return the patients of these names; those that are not known are absent."""
    wanted = set(names)
    ids = sorted({patient_id for _, patient_id, _ in wanted})
    found: dict[PatientName, PatientPlace] = {}
    for start in range(0, len(ids), KEYS):
        chunk = _NAMED.where(PATIENT.c.patient_id.in_(ids[start : start + KEYS]))
        for institution, patient_id, issuer, row, root in connection.execute(chunk):
            if (institution, patient_id, issuer) in wanted:
                found[institution, patient_id, issuer] = PatientPlace(row, root)
    return found


def ensure_patients(connection: Connection, names: Iterable[PatientName]) -> dict[PatientName, PatientPlace]:
    """Return the patients of these names; those that are not known are made, in the order of the names."""
    wanted = list(dict.fromkeys(names))
    found = find_patients(connection, wanted)
    new = [name for name in wanted if name not in found]
    if not new:
        return found
    first = int(connection.execute(select(func.max(PATIENT.c.id))).scalar() or 0) + 1
    rows = [
        {
            "id": row,
            "institution_row": institution,
            "patient_id": patient_id,
            "issuer": issuer,
            "root_row": row,
            "merged_row": None,
            "key_id": None,
            "key_segment": None,
        }
        for row, (institution, patient_id, issuer) in enumerate(new, first)
    ]
    insert_rows(connection, PATIENT, rows)
    return found | {name: PatientPlace(row, row) for row, name in enumerate(new, first)}


def roots_of(
    connection: Connection, institution_row: int | None, patient_id: str, issuer: str = ""
) -> list[int]:
    """Return the rows that everybody with this ID is known as; an empty issuer is any, no institution is any."""
    named = select(PATIENT.c.root_row).where(PATIENT.c.patient_id == storable(patient_id))
    named = named.where(PATIENT.c.issuer == storable(issuer)) if issuer else named
    named = named if institution_row is None else named.where(PATIENT.c.institution_row == institution_row)
    return sorted(set(connection.execute(named).scalars()))


def attribute(connection: Connection, study_row: int, patient_row: int) -> None:
    """Let a study belong to a patient."""
    root = _root_of(connection, patient_row)
    changed = {"attributed_row": patient_row, "patient_row": root}
    connection.execute(update(STUDY).where(STUDY.c.id == study_row).values(changed))


def merge(connection: Connection, patient_row: int, into_row: int) -> None:
    """Let a patient be the same as another from now on. One that is the same already changes nothing."""
    here, there = _root_of(connection, patient_row), _root_of(connection, into_row)
    if here == there:
        return
    members = family(connection, here)
    connection.execute(update(PATIENT).where(PATIENT.c.id == here).values(merged_row=into_row))
    _settle(connection, members, here, there)


def split(connection: Connection, patient_row: int) -> None:
    """Let a patient that was merged into another stand alone again, with all that had been merged into it."""
    root = _root_of(connection, patient_row)
    members = family(connection, root)
    connection.execute(update(PATIENT).where(PATIENT.c.id == patient_row).values(merged_row=None))
    links = dict(
        connection.execute(select(PATIENT.c.id, PATIENT.c.merged_row).where(PATIENT.c.id.in_(members))).all()
    )
    leaving = [member for member in members if _leads_to(member, patient_row, links)]
    _settle(connection, leaving, root, patient_row)


def family(connection: Connection, root: int) -> list[int]:
    """Return the rows of all patients that are the same as this one."""
    return sorted(connection.execute(select(PATIENT.c.id).where(PATIENT.c.root_row == root)).scalars())


def _settle(connection: Connection, members: Sequence[int], before: int, after: int) -> None:
    """Give these patients and their studies another root."""
    for start in range(0, len(members), KEYS):
        chunk = members[start : start + KEYS]
        connection.execute(update(PATIENT).where(PATIENT.c.id.in_(chunk)).values(root_row=after))
        theirs = (STUDY.c.patient_row == before, STUDY.c.attributed_row.in_(chunk))
        connection.execute(update(STUDY).where(*theirs).values(patient_row=after))


def _leads_to(member: int, root: int, links: dict[int, int | None]) -> bool:
    """Whether the chain of merges from `member` ends at `root`."""
    at: int | None = member
    while at is not None and at != root:
        at = links.get(at)
    return at == root


def _root_of(connection: Connection, patient_row: int) -> int:
    return int(connection.execute(select(PATIENT.c.root_row).where(PATIENT.c.id == patient_row)).scalar_one())
