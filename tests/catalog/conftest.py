"""One empty catalog and one furnished with institutions and volumes, in an SQLite file and on a PostgreSQL server.

What asks for a catalog runs on both; what asks for the `file` too is about SQLite's alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, delete, text

from retention.catalog.catalog import Catalog
from retention.catalog.database import SCHEMA
from retention.catalog.declaring import METADATA
from retention.catalog.rebuilding import SCHEMA_BESIDE
from retention.catalog.state import ARCHIVE_ID
from retention.catalog.tables import STATE
from tests import postgresql
from tests.catalog.making import ARCHIVE, furnish, furnished


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        both = ("sqlite",) if "file" in metafunc.fixturenames else ("sqlite", "postgresql")
        metafunc.parametrize("backend", both)


@dataclass
class Server:
    """A database of this process's tests. `has_catalog`: it has an untouched one, whatever lies in its tables."""

    url: str
    engine: Engine = field(init=False)
    has_catalog: bool = False

    def __post_init__(self) -> None:
        self.engine = create_engine(self.url)

    def clear(self) -> str:
        """Take everything away; return the address."""
        with self.engine.begin() as connection:
            for schema in (SCHEMA, SCHEMA_BESIDE):
                connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        self.has_catalog = False
        return self.url

    def empty(self) -> str:
        """Have a catalog with nothing in it, made anew only when it must be."""
        if not self.has_catalog:
            Catalog.create(self.clear(), ARCHIVE).close()
            self.has_catalog = True
            return self.url
        tables = [table for table in METADATA.sorted_tables if table.name != "state"]
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # guards look away
            connection.execute(text(f"SET LOCAL search_path = {SCHEMA}"))
            connection.exec_driver_sql("; ".join(str(delete(table)) for table in tables))
            connection.execute(delete(STATE).where(STATE.c.key != ARCHIVE_ID))
        return self.url


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[], Server]]:
    """The server's database, made for whoever asks first."""
    made: list[Server] = []

    def asked() -> Server:
        if not made:
            made.append(Server(postgresql.made(f"t_{os.getpid()}")))
        return made[0]

    yield asked
    for each in made:
        each.engine.dispose()


@pytest.fixture
def url(backend: str, server: Callable[[], Server], tmp_path: Path) -> str:
    """Where the catalog is, or may be made."""
    return server().url if backend == "postgresql" else f"sqlite:///{tmp_path / 'catalog.db'}"


@pytest.fixture
def room(url: str, backend: str, server: Callable[[], Server]) -> str:
    """Where there is no catalog yet."""
    if backend == "postgresql":
        server().clear()
    return url


@pytest.fixture
def file(backend: str, tmp_path: Path) -> Path:
    """Where the SQLite file lies, for the tests that reach behind the catalog."""
    return tmp_path / "catalog.db"


@pytest.fixture
def empty(room: str) -> Iterator[Catalog]:
    with Catalog.create(room, ARCHIVE) as catalog:
        yield catalog


@pytest.fixture
def catalog(url: str, backend: str, server: Callable[[], Server], tmp_path: Path) -> Iterator[Catalog]:
    if backend == "postgresql":
        server().empty()
    else:
        (tmp_path / "catalog.db").write_bytes(furnished())
        (tmp_path / "catalog.db").chmod(0o600)
    with Catalog.open(url) as opened:
        if backend == "postgresql":
            furnish(opened)
        yield opened
