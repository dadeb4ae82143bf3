"""The quick insert writes what the ordinary one would."""

from __future__ import annotations

from sqlalchemy import insert, select

from retention.catalog.bulk import insert_rows
from retention.catalog.catalog import Catalog
from retention.catalog.staleness import UNDECIDED
from retention.catalog.tables import INSTITUTION, STUDY
from tests.catalog.making import AT

ROW = {
    "institution_row": 1, "attributed_row": None, "other_patients": None, "patient_row": None,
    "patient_id": "P\0\ud800", "issuer": None, "patient_name": "Zoë", "birth_date": "19600101",
    "sex": "F", "study_date": None, "study_time": None, "description": "x", "accession_number": "1",
    "institution_name": None, "department": None, "study_id": None, "referring_physician": None,
    "modalities": "CT", "instances": 3, "bytes_received": 2**40,
    **UNDECIDED, "sop_classes": "1.2.3", "keep_until_on": AT.date(), "accessed_on": AT.date(), "received_at": AT,
}  # fmt: skip


def test_rows_are_those_of_the_ordinary_insert(catalog: Catalog):
    with catalog._database.write() as connection:
        connection.execute(insert(STUDY), [ROW | {"id": 1, "study_uid": "1.1"}])
        insert_rows(
            connection, STUDY, [ROW | {"study_uid": "1.2", "id": 2}, ROW | {"study_uid": "1.3", "id": 3}]
        )
        stored = connection.exec_driver_sql("SELECT * FROM study ORDER BY id")
        ordinary, *quick = [row._asdict() | {"id": 0, "study_uid": ""} for row in stored]
    assert quick == [ordinary, ordinary]


def test_no_rows_are_no_statement(empty: Catalog):
    with empty._database.write() as connection:
        insert_rows(connection, INSTITUTION, [])
        assert connection.execute(select(INSTITUTION)).all() == []
