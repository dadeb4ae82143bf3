"""One empty catalog and one furnished with institutions and volumes.

With RETENTION_TEST_POSTGRESQL set to the address of a database that may be emptied, the same tests speak to that
instead of a new SQLite file; those about files are then left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from retention.catalog.catalog import Catalog
from tests.catalog.making import ARCHIVE, furnish, furnished

SERVER = os.environ.get("RETENTION_TEST_POSTGRESQL")


@pytest.fixture
def url(tmp_path: Path) -> str:
    if SERVER is None:
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    engine = create_engine(SERVER)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return SERVER


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the SQLite file lies, for the tests that reach behind the catalog."""
    if SERVER is not None:
        pytest.skip("about SQLite's file")
    return tmp_path / "catalog.db"


@pytest.fixture
def empty(url: str) -> Iterator[Catalog]:
    with Catalog.create(url, ARCHIVE) as catalog:
        yield catalog


@pytest.fixture
def catalog(url: str, tmp_path: Path) -> Iterator[Catalog]:
    if SERVER is None:
        (tmp_path / "catalog.db").write_bytes(furnished())
        (tmp_path / "catalog.db").chmod(0o600)
    else:
        Catalog.create(url, ARCHIVE).close()
    with Catalog.open(url) as opened:
        if SERVER is not None:
            furnish(opened)
        yield opened
