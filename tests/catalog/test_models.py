"""The SQLModel classes of the declarations: the same tables, and rows as objects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Session, select

from retention.catalog.catalog import Catalog
from retention.catalog.declaring import METADATA
from retention.catalog.models import models
from tests.catalog.making import ARCHIVE


def statements(metadata: MetaData, dialect: Dialect) -> dict[str, list[str]]:
    """What makes each table, line by line: in which order constraints stand means nothing."""
    made = {}
    for name, table in metadata.tables.items():
        text = str(CreateTable(table).compile(dialect=dialect))
        text += "\n".join(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
        made[name] = sorted(line.strip().rstrip(",") for line in text.splitlines())
    return made


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
def test_classes_and_core_tables_are_made_by_the_same_statements(dialect: Dialect) -> None:
    metadata, classes = models()
    assert set(classes) == set(METADATA.tables)
    assert statements(metadata, dialect) == statements(METADATA, dialect)


def test_a_row_is_an_object_to_whoever_asks_with_a_session(tmp_path: Path) -> None:
    Catalog.create("sqlite:///catalog.db", ARCHIVE, root=tmp_path).close()
    state = models()[1]["state"]
    engine = create_engine(f"sqlite:///{tmp_path}/catalog.db")
    with Session(engine) as session:
        keys = {row.key for row in session.exec(select(state))}  # type: ignore[attr-defined]
    engine.dispose()
    assert "archive_id" in keys


def test_no_command_pays_for_the_classes() -> None:
    code = (
        "import sys, retention.catalog.catalog; print('sqlmodel' in sys.modules or 'pydantic' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
