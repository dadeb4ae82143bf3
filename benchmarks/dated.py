"""An archive whose catalog has many studies of many patients, as a hospital has them, and nothing on its volumes.

Run: python -m benchmarks.dated ARCHIVE --studies 1000000
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.archives import INSTITUTION
from retention.archive import open_archive, prepare_to_write
from retention.catalog.bulk import insert_rows
from retention.catalog.fact_tables import PATIENT
from retention.catalog.staleness import UNDECIDED
from retention.catalog.tables import PACKAGE, SERIES, STUDY
from retention.services import institutions

BATCH = 10_000
STUDIES_A_PATIENT = 3
FIRST_ON = date(2001, 1, 1)
DAYS = 25 * 365
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)

Values = dict[str, Any]


def studies(count: int) -> Iterator[tuple[Values, Values, Values | None]]:
    """Yield rows of a study, its series, and its patient with the first of them."""
    chance = random.Random(20261124)
    for number in range(1, count + 1):
        patient = 1 + (number - 1) // STUDIES_A_PATIENT
        is_new = (number - 1) % STUDIES_A_PATIENT == 0
        on = FIRST_ON + timedelta(days=chance.randrange(DAYS))
        modality = chance.choice(["CT", "MR", "DX", "US", "MG"])
        born = date(1930, 1, 1) + timedelta(days=chance.randrange(26_000))
        study: Values = {
            "id": number, "institution_row": 1, "study_uid": f"2.25.4711.{number}", "patient_id": f"P{patient}",
            "issuer": None, "other_patients": None, "patient_name": "DOE^JANE", "birth_date": f"{born:%Y%m%d}",
            "sex": "F", "study_date": f"{on:%Y%m%d}", "study_time": None, "description": "EXAM",
            "accession_number": str(number), "institution_name": None, "department": "RADIO", "study_id": None,
            "referring_physician": None, "modalities": modality,
            "sop_classes": "1.2.840.10008.5.1.4.1.1.2", "instances": 1, "bytes_received": 500_000_000,
            "received_at": AT, "accessed_on": None, "patient_row": patient, "attributed_row": patient, **UNDECIDED,
        }  # fmt: skip
        series: Values = {
            "id": number, "study_row": number, "series_uid": f"2.25.4711.{number}.1", "modality": modality,
            "body_part": "CHEST", "description": "x", "manufacturer": "ACME", "number": None, "performed_date": None,
            "performed_time": None, "instances": 1,
        }  # fmt: skip
        person: Values = {
            "id": patient, "institution_row": 1, "patient_id": f"P{patient}", "issuer": "", "root_row": patient,
            "merged_row": None, "key_id": None, "key_segment": None,
        }  # fmt: skip
        yield study, series, person if is_new else None


def package(number: int) -> Values:
    """Return the row of a package that is nowhere."""
    return {
        "id": number, "package_id": f"{number:032x}", "institution_row": 1, "study_row": number, "kind": "study",
        "tier": "hot", "data": 1, "parity": 1, "format": 1, "instances": 1, "bytes_received": 500_000_000,
        "bytes_stored": 1, "index_root": b"x", "manifest_digest": b"x", "key_id": f"{number:032x}", "key_segment": 1,
        "sequence": 1, "created_at": AT, "closed": True, "verified_at": AT, "lost": False, "supersedes_row": None,
        "superseded_row": None, "replaced": 0, "replaced_bytes": 0, "copy_of_row": None, "drop_at": None,
        "read_at": AT,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--studies", type=int, required=True)
    parser.add_argument(
        "--packages", action="store_true", help="with a package of each, so that queries find it"
    )
    given = parser.parse_args()
    stores = open_archive(given.archive)
    try:
        prepare_to_write(stores)
        institutions.first_or_known(stores, INSTITUTION)
        rows = studies(given.studies)
        while batch := [row for _, row in zip(range(BATCH), rows, strict=False)]:
            with stores.catalog._database.write() as connection:  # noqa: SLF001 (no journal says any of this)
                insert_rows(connection, PATIENT, [person for _, _, person in batch if person is not None])
                insert_rows(connection, STUDY, [study for study, _, _ in batch])
                insert_rows(connection, SERIES, [series for _, series, _ in batch])
                if given.packages:
                    insert_rows(connection, PACKAGE, [package(study["id"]) for study, _, _ in batch])
    finally:
        stores.close()


if __name__ == "__main__":
    main()
