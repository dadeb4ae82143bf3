"""What the catalog says of every study, for the tests of what decides it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from retention.catalog.tables import STUDY
from retention.services.stores import Stores

CT, OTHER = "1.2.840.99.1", "1.2.840.99.2"


def rows(stores: Stores) -> dict[str, dict[str, Any]]:
    with stores.catalog._database.read() as connection:
        return {row.study_uid: row._asdict() for row in connection.execute(select(STUDY))}
