"""Studies and series as a batch of packages tells them: loaded once, merged in memory, written once.

The invariants: what the first package said of a study stays; later ones fill in what was missing, add their counts and
their modalities. So the order of the journal, not of threads, decides what a study looks like, and a rebuild says
the same as the ingest did. Whatever arrives makes every decision about its patient stale: a visit moves the end of all
of the patient's studies in that institution.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, Update, bindparam, func, select, update

from retention.catalog.bulk import insert_rows
from retention.catalog.columns import AnyRow, storable
from retention.catalog.patients import PatientName, ensure_patients
from retention.catalog.records import PackageRecord, SeriesRecord, StudyRecord
from retention.catalog.replacing import Replacement
from retention.catalog.staleness import UNDECIDED, mark_patients_stale
from retention.catalog.tables import SERIES, STUDY
from retention.model.facts import OTHER_PATIENTS, PatientFacts, is_same_patient

Values = dict[str, Any]
StudyKey = tuple[int, str]

STUDY_FACTS = (
    "patient_id", "issuer", "patient_name", "birth_date", "sex", "study_date", "study_time", "description",
    "accession_number", "institution_name", "department", "study_id", "referring_physician",
)  # fmt: skip
SERIES_FACTS = (
    "modality", "body_part", "description", "manufacturer", "number", "performed_date", "performed_time",
)  # fmt: skip
KEYS = 500

UNKNOWN_CLASS = "?"
"""What stands among a study's SOP classes for an instance that names none; it can be no UID."""

_STUDY_CHANGES = (
    *STUDY_FACTS, "attributed_row", "patient_row", "other_patients", "modalities", "sop_classes", "instances",
    "bytes_received", "is_stale",
)  # fmt: skip
_SERIES_CHANGES = (*SERIES_FACTS, "instances")


def _changes(table: Table, names: Sequence[str]) -> Update:
    return (
        update(table)
        .where(table.c.id == bindparam("the_id"))
        .values({name: bindparam(name) for name in names})
    )


_UPDATE_STUDY = _changes(STUDY, _STUDY_CHANGES)
_UPDATE_SERIES = _changes(SERIES, _SERIES_CHANGES)
_LAST_STUDY = select(func.max(STUDY.c.id))
_LAST_SERIES = select(func.max(SERIES.c.id))


class Holdings:
    """The studies, and their series, that one batch touches."""

    def __init__(self, connection: Connection, keys: Iterable[StudyKey]) -> None:
        self._connection = connection
        self._studies = self._load_studies(set(keys))
        self._series = self._load_series([study["id"] for study in self._studies.values()])
        self._known_studies = frozenset(self._studies)
        self._known_series = frozenset(self._series)
        self._touched_series: set[tuple[int, str]] = set()
        self._next_study = int(connection.execute(_LAST_STUDY).scalar() or 0) + 1
        self._next_series = int(connection.execute(_LAST_SERIES).scalar() or 0) + 1

    def add(
        self,
        institution_row: int,
        study: StudyRecord,
        package: PackageRecord,
        replaced: Replacement | None = None,
    ) -> int:
        """Merge what a package tells of its study; return the study's row. What it brings again counts already."""
        again = replaced or Replacement()
        row = self._study(institution_row, study)
        row["instances"] += package.instances - again.instances
        row["bytes_received"] += package.bytes_received - again.counted_bytes
        modalities = set(filter(None, row["modalities"].split(",")))
        for series in package.series:
            self._add_series(row["id"], series, counted=again.series[series.series_uid])
            if series.facts.modality:
                modalities.add(storable(series.facts.modality))
        row["modalities"] = ",".join(sorted(modalities))
        classes = {name or UNKNOWN_CLASS for name in package.sop_classes}
        row["sop_classes"] = ",".join(sorted(classes.union(filter(None, row["sop_classes"].split(",")))))
        row["is_stale"] = True
        return int(row["id"])

    def row_of(self, key: StudyKey) -> int | None:
        """Return the row of a study that is already known."""
        study = self._studies.get(key)
        return None if study is None else int(study["id"])

    def store(self) -> None:
        """Write all of it: new rows, then changed ones; then what is decided of their patients is stale."""
        self._attribute()
        new_studies = [row for key, row in self._studies.items() if key not in self._known_studies]
        new_series = [row for key, row in self._series.items() if key not in self._known_series]
        old_studies = [_change(self._studies[key], _STUDY_CHANGES) for key in self._known_studies]
        touched = self._touched_series & self._known_series
        old_series = [_change(self._series[key], _SERIES_CHANGES) for key in touched]
        insert_rows(self._connection, STUDY, new_studies)
        insert_rows(self._connection, SERIES, new_series)
        for statement, rows in ((_UPDATE_STUDY, old_studies), (_UPDATE_SERIES, old_series)):
            if rows:
                self._connection.execute(statement, rows)
        patients = {row["patient_row"] for row in self._studies.values()}
        mark_patients_stale(self._connection, sorted(filter(None, patients)))

    def _attribute(self) -> None:
        """Let every study belong to the patient in its header, unless a fact has said otherwise."""
        named = {key: _patient(row) for key, row in self._studies.items() if row["attributed_row"] is None}
        rows = ensure_patients(self._connection, filter(None, named.values()))
        for key, patient in named.items():
            if patient is not None:
                self._studies[key]["attributed_row"] = rows[patient].row
                self._studies[key]["patient_row"] = rows[patient].root

    def _study(self, institution_row: int, study: StudyRecord) -> Values:
        facts = _study_facts(study)
        key = (institution_row, study.study_uid)
        row = self._studies.get(key)
        if row is not None:
            _fill(row, facts)
            _note_others(row, study)
            return row
        row = facts | {
            "id": self._next_study,
            "institution_row": institution_row,
            "study_uid": study.study_uid,
            "attributed_row": None,
            "patient_row": None,
            "other_patients": None,
            "modalities": "",
            "sop_classes": "",
            "instances": 0,
            "bytes_received": 0,
            **UNDECIDED,
            "accessed_on": None,
            "received_at": study.received_at,
        }
        self._next_study += 1
        self._studies[key] = row
        _note_others(row, study)
        return row

    def _add_series(self, study_row: int, series: SeriesRecord, counted: int) -> None:
        facts = {name: getattr(series.facts, name) for name in SERIES_FACTS}
        key = (study_row, series.series_uid)
        self._touched_series.add(key)
        row = self._series.get(key)
        if row is not None:
            _fill(row, facts)
            row["instances"] += series.instances - counted
            return
        names = {"id": self._next_series, "study_row": study_row, "series_uid": series.series_uid}
        self._series[key] = facts | names | {"instances": series.instances - counted}
        self._next_series += 1

    def _load_studies(self, keys: set[StudyKey]) -> dict[StudyKey, Values]:
        studies: dict[StudyKey, Values] = {}
        uids = sorted({uid for _, uid in keys})
        for start in range(0, len(uids), KEYS):
            statement = select(STUDY).where(STUDY.c.study_uid.in_(uids[start : start + KEYS]))
            for row in self._connection.execute(statement):
                if (row.institution_row, row.study_uid) in keys:
                    studies[row.institution_row, row.study_uid] = _values(row)
        return studies

    def _load_series(self, study_rows: Sequence[int]) -> dict[tuple[int, str], Values]:
        series: dict[tuple[int, str], Values] = {}
        for start in range(0, len(study_rows), KEYS):
            statement = select(SERIES).where(SERIES.c.study_row.in_(study_rows[start : start + KEYS]))
            for row in self._connection.execute(statement):
                series[row.study_row, row.series_uid] = _values(row)
        return series


def _values(row: AnyRow) -> Values:
    return row._asdict()


def _change(row: Values, names: Sequence[str]) -> Values:
    return {"the_id": row["id"]} | {name: row[name] for name in names}


def _fill(row: Values, facts: Values) -> None:
    for name, fact in facts.items():
        if row[name] is None:
            row[name] = fact


def _patient(study: Values) -> PatientName | None:
    if study["patient_id"] is None:
        return None
    return study["institution_row"], storable(study["patient_id"]), storable(study["issuer"] or "")


def _study_facts(study: StudyRecord) -> Values:
    patient, facts = study.patient, study.facts
    return {
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "patient_name": patient.name,
        "birth_date": patient.birth_date,
        "sex": patient.sex,
        "study_date": facts.study_date,
        "study_time": facts.study_time,
        "description": facts.description,
        "accession_number": facts.accession_number,
        "institution_name": facts.institution_name,
        "department": facts.department,
        "study_id": facts.study_id,
        "referring_physician": facts.referring_physician,
    }


def _note_others(row: Values, study: StudyRecord) -> None:
    """Note the patients that instances name beside the study's own, once each, in order of arrival."""
    named = list(study.other_patients)
    if study.patient.patient_id is not None:
        named.insert(0, (study.patient.patient_id, study.patient.issuer))
    own = PatientFacts(row["patient_id"], row["issuer"])
    others = [(storable(name), None if issuer is None else storable(issuer)) for name, issuer in named]
    others = [other for other in others if not is_same_patient(own, *other)]
    if others:
        known = [] if row["other_patients"] is None else json.loads(row["other_patients"])
        merged = dict.fromkeys([*map(tuple, known), *others])
        row["other_patients"] = json.dumps(list(merged)[:OTHER_PATIENTS])
