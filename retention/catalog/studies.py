"""Studies: lists of them, and everything about one.

The invariant: a list walks one index, chosen by what the filter names (its *lane*), a page of row numbers at a time,
and only then fetches and filters the rows of that page. So every list streams, in bounded memory, with short reads
that never hold the committer's checkpoint back, whatever the query planner believes about the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, text

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.packages import read_packages_of
from retention.catalog.paging import Lane, Position, walk
from retention.catalog.patients import roots_of
from retention.catalog.places import institution_row
from retention.catalog.records import (
    SeriesRecord,
    StudyDetail,
    StudyFilter,
    StudySummary,
    health_of,
)
from retention.catalog.tables import INSTITUTION, PACKAGE, SERIES, SHARD, STUDY
from retention.model.errors import NotFoundError, UsageError
from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.findings import Health
from retention.model.patient import split_patient
from retention.model.states import StudyState

_Held = tuple[str, Health, datetime, bool]
"""What a study's summary needs of a package: tier, health, oldest reading, whether it is a recalled copy."""

_SEVERITY = list(Health)
_STATES = {state.value: state for state in StudyState}
_SUMMARY = select(
    STUDY.c.id,
    STUDY.c.study_uid,
    STUDY.c.instances,
    STUDY.c.bytes_received,
    STUDY.c.state,
    STUDY.c.keep_until_on,
    STUDY.c.holds,
    STUDY.c.received_at,
    INSTITUTION.c.institution_id,
    INSTITUTION.c.name.label("institution"),
).join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
_HELD = (
    select(
        PACKAGE.c.study_row,
        PACKAGE.c.tier,
        PACKAGE.c.parity,
        PACKAGE.c.lost,
        PACKAGE.c.verified_at,
        PACKAGE.c.copy_of_row.is_not(None).label("is_copy"),
        func.count(SHARD.c.number).label("bad"),
        func.count(SHARD.c.number).filter(SHARD.c.state == "corrupt").label("corrupt"),
    )
    .outerjoin(SHARD, and_(SHARD.c.package_row == PACKAGE.c.id, text("shard.state <> 'sound'")))
    .where(PACKAGE.c.superseded_row.is_(None))
    .group_by(PACKAGE.c.study_row, PACKAGE.c.id)
)


def list_studies(database: Database, wanted: StudyFilter) -> Iterator[StudySummary]:
    """Yield the studies a filter lets through. Raises UsageError or NotFoundError for what it names and is not."""
    if wanted.limit is not None and wanted.limit < 1:
        raise UsageError("a limit is 1 or more")
    with database.read() as connection:
        owner = institution_row(connection, wanted.institution) if wanted.institution is not None else None
        patients = () if wanted.patient is None else _patients(connection, wanted.patient, owner)
        lane = _lane(wanted, owner, patients)
        position = _position_after(connection, wanted, lane)
    conditions = _conditions(wanted, owner, patients)

    def read(connection: Connection, keys: Sequence[AnyRow]) -> list[StudySummary]:
        return _summaries(connection, [key[-1] for key in keys], conditions)

    found = walk(database, lane, read, position)
    if wanted.tier is not None:
        found = (study for study in found if wanted.tier in study.tiers)
    return islice(found, wanted.limit)


def read_study(connection: Connection, study_uid: str, institution: str | None = None) -> StudyDetail:
    """Return everything about one study.

    Raises NotFoundError, or UsageError if several institutions hold it and none is named, or that one is unknown.
    """
    row = study_row(connection, study_uid, institution)
    study = connection.execute(select(STUDY).where(STUDY.c.id == row)).one()
    series = connection.execute(select(SERIES).where(SERIES.c.study_row == row).order_by(SERIES.c.id))
    return StudyDetail(
        summary=_summaries(connection, [row], [])[0],
        patient=PatientFacts(study.patient_id, study.issuer, study.patient_name, study.birth_date, study.sex),
        facts=StudyFacts(
            study_date=study.study_date,
            study_time=study.study_time,
            description=study.description,
            accession_number=study.accession_number,
            institution_name=study.institution_name,
            department=study.department,
            study_id=study.study_id,
            referring_physician=study.referring_physician,
        ),
        modalities=tuple(filter(None, study.modalities.split(","))),
        series=tuple(_series(one) for one in series),
        packages=tuple(read_packages_of(connection, row)),
        other_patients=tuple((name, issuer) for name, issuer in json.loads(study.other_patients or "[]")),
    )


def study_row(connection: Connection, study_uid: str, institution: str | None) -> int:
    """Return the row of a study; errors as `read_study`."""
    wanted = (
        select(STUDY.c.id, INSTITUTION.c.name)
        .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
        .where(STUDY.c.study_uid == study_uid)
    )
    if institution is not None:
        wanted = wanted.where(STUDY.c.institution_row == institution_row(connection, institution))
    found = connection.execute(wanted).all()
    if not found:
        raise NotFoundError(f"no study {study_uid} is held", study=study_uid)
    if len(found) > 1:
        holders = sorted(row.name for row in found)
        message = f"several institutions hold study {study_uid}: {', '.join(holders)}"
        raise UsageError(message, hint="name one with --institution", study=study_uid, institutions=holders)
    return int(found[0].id)


def _patients(connection: Connection, patient: str, owner: int | None) -> Sequence[int]:
    """Return who is meant by an ID, or by `ID^ISSUER`."""
    exact = roots_of(connection, owner, patient)
    return exact or roots_of(connection, owner, *split_patient(patient))


def _lane(wanted: StudyFilter, owner: int | None, patients: Sequence[int]) -> Lane:
    if wanted.patient is not None:
        return Lane(select(STUDY.c.id).where(STUDY.c.patient_row.in_(patients)), (STUDY.c.id,))
    if wanted.due_before is not None:
        due = select(STUDY.c.keep_until_on, STUDY.c.id).where(STUDY.c.keep_until_on < wanted.due_before)
        return Lane(due, (STUDY.c.keep_until_on, STUDY.c.id))
    if wanted.tier is not None:
        on_tier = (
            PACKAGE.c.tier == wanted.tier,
            PACKAGE.c.superseded_row.is_(None),
            PACKAGE.c.study_row.is_not(None),
        )
        return Lane(select(PACKAGE.c.study_row).where(*on_tier).distinct(), (PACKAGE.c.study_row,))
    return Lane(_in_order_of_arrival(wanted, owner), (STUDY.c.id,))


def _in_order_of_arrival(wanted: StudyFilter, owner: int | None) -> Select[Any]:
    studies = select(STUDY.c.id)
    is_rare = wanted.state is not None and wanted.state is not StudyState.PERMANENT
    if wanted.state is not None and (is_rare or owner is None):
        return studies.where(STUDY.c.state == wanted.state.value)
    return studies if owner is None else studies.where(STUDY.c.institution_row == owner)


def _position_after(connection: Connection, wanted: StudyFilter, lane: Lane) -> Position | None:
    if wanted.after is None:
        return None
    institution, _, study_uid = wanted.after.rpartition("/")
    row = study_row(connection, study_uid, institution or wanted.institution)
    if len(lane.place) == 1:
        return (row,)
    keep_until_on = connection.execute(select(STUDY.c.keep_until_on).where(STUDY.c.id == row)).scalar()
    if keep_until_on is None:
        raise UsageError(f"study {study_uid} is in no list of due studies, so nothing comes after it there")
    return (keep_until_on, row)


def _conditions(wanted: StudyFilter, owner: int | None, patients: Sequence[int]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if owner is not None:
        conditions.append(STUDY.c.institution_row == owner)
    if wanted.state is not None:
        conditions.append(STUDY.c.state == wanted.state.value)
    if wanted.patient is not None:
        conditions.append(STUDY.c.patient_row.in_(patients))
    if wanted.due_before is not None:
        conditions.append(STUDY.c.keep_until_on < wanted.due_before)
    return conditions


def _summaries(
    connection: Connection, rows: Sequence[int], conditions: Sequence[ColumnElement[bool]]
) -> list[StudySummary]:
    """Return the summaries of these studies, in this order, without those the conditions exclude."""
    if not rows:
        return []
    held: dict[int, list[_Held]] = {}
    packages = connection.execute(_HELD.where(PACKAGE.c.study_row.in_(rows))).all()
    for study_row, tier, parity, lost, verified_at, is_copy, bad, corrupt in packages:
        health = Health.LOST if lost else health_of(bad, corrupt, parity)
        held.setdefault(study_row, []).append((tier, health, verified_at, is_copy))
    studies = connection.execute(_SUMMARY.where(STUDY.c.id.in_(rows), *conditions)).all()
    found = {row: _summary(study, held.get(row, [])) for row, *study in studies}
    return [found[row] for row in rows if row in found]


def _summary(study: Sequence[Any], packages: Sequence[_Held]) -> StudySummary:
    own = [
        held[:3] for held in packages if not held[3]
    ]  # a study stands by its own packages, not by its copies
    # By position: this runs once for every study of a list, and names would be half of its price.
    (
        study_uid,
        instances,
        bytes_received,
        state,
        keep_until_on,
        holds,
        received_at,
        institution_id,
        institution,
    ) = study
    return StudySummary(
        study_uid=study_uid,
        institution=institution,
        institution_id=institution_id,
        tiers=tuple(sorted({tier for tier, *_ in packages})),
        instances=instances,
        bytes_received=bytes_received,
        state=_STATES[state],
        keep_until_on=keep_until_on,
        holds=holds,
        health=max((health for _, health, _ in own), key=_SEVERITY.index, default=Health.SOUND),
        received_at=received_at,
        last_verified_at=min((verified_at for _, _, verified_at in own), default=None),
    )


def _series(row: AnyRow) -> SeriesRecord:
    facts = SeriesFacts(
        row.modality,
        row.body_part,
        row.description,
        row.manufacturer,
        row.number,
        row.performed_date,
        row.performed_time,
    )
    return SeriesRecord(row.series_uid, facts, row.instances)


def count_with_other_patients(connection: Connection) -> int:
    """Return how many studies have instances that name another patient than the study's own."""
    wanted = select(func.count()).select_from(STUDY).where(STUDY.c.other_patients.is_not(None))
    return int(connection.execute(wanted).scalar_one())
