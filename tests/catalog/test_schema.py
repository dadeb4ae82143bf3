"""The schema: what `create` makes, what the migrations make, and how a catalog of another version is recognised."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from retention.catalog import migration, tables
from retention.catalog.catalog import Catalog
from retention.catalog.database import SCHEMA, Database
from retention.catalog.declaring import METADATA
from retention.catalog.files import make_file
from retention.catalog.migration import SCRIPTS, migrate, upgrade
from retention.catalog.schema import GUARDS, declared
from retention.model.errors import CatalogError, CatalogMissingError
from tests.catalog.making import ARCHIVE, furnish, keep, package, study_uid

COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, character_maximum_length
    FROM information_schema.columns WHERE table_schema = 'retention' ORDER BY 1, 2"""
OBJECTS = """
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'retention'
    UNION ALL SELECT conname, pg_get_constraintdef(c.oid) FROM pg_constraint AS c
        WHERE connamespace = 'retention'::regnamespace
    UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'retention'::regnamespace
    ORDER BY 1, 2"""


@pytest.fixture
def migrated(room: str, backend: str, tmp_path: Path) -> Database:
    """A database that has gone through every migration, from nothing."""
    if backend == "sqlite":
        make_file(tmp_path / "catalog.db")
    database = Database(room, None, busy_timeout_s=1)
    with database.write() as connection:
        database.make_room(connection)
        upgrade(connection)
    return database


def structure(database: Database) -> list[str]:
    """Everything the database says about itself."""
    with database.read() as connection:
        if database.dialect == "sqlite":
            statement = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
            return [
                " ".join(" ".join(map(str, row)).split()) for row in connection.exec_driver_sql(statement)
            ]
        return [str(row) for statement in (COLUMNS, OBJECTS) for row in connection.execute(text(statement))]


def test_the_migrations_make_what_create_makes(migrated: Database, url: str, tmp_path: Path):
    by_steps = structure(migrated)
    migrated.close()
    if migrated.dialect == "sqlite":
        url = f"sqlite:///{tmp_path / 'other.db'}"
    else:
        with migrated.write() as connection:
            connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))
        migrated.close()
    Catalog.create(url, ARCHIVE).close()
    other = Database(url, None, busy_timeout_s=1)
    created = structure(other)
    assert set(created) ^ set(by_steps) == set()
    assert created == by_steps
    assert len(by_steps) > len(GUARDS)
    other.close()


def test_the_migration_tool_sees_no_difference_from_the_tables(migrated: Database):
    with migrated.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    migrated.close()


def test_every_version_is_a_step_and_the_last_is_the_head():
    steps = ScriptDirectory(str(SCRIPTS))
    assert tuple(step.revision for step in reversed(list(steps.walk_revisions()))) == tables.SCHEMA_VERSIONS
    assert steps.get_current_head() == tables.SCHEMA_VERSIONS[-1]


def test_a_migrated_catalog_is_ready_for_use(migrated: Database, url: str):
    migrated.close()
    with Catalog.open(url) as catalog:
        furnish(catalog)
        keep(catalog, package(1))
        assert catalog.study(study_uid(1)).summary.instances == 1


def test_a_catalog_of_the_newest_version_has_nothing_to_migrate(empty: Catalog, url: str):
    assert migrate(url) == ()


def test_an_older_catalog_says_migrate_and_is_migrated(
    catalog: Catalog, file: Path, url: str, monkeypatch: pytest.MonkeyPatch
):
    """A step that does not exist yet, made up here: an index more."""
    keep(catalog, package(1))
    catalog.close()
    versions = (*tables.SCHEMA_VERSIONS, "next")
    monkeypatch.setattr("retention.catalog.schema.SCHEMA_VERSIONS", versions)
    monkeypatch.setattr("retention.catalog.migration.SCHEMA_VERSIONS", versions)
    with pytest.raises(CatalogError) as caught:
        Catalog.open(url)
    assert "catalog migrate" in str(caught.value.hint)

    def step(connection, to="head"):
        connection.exec_driver_sql("CREATE INDEX ix_next ON study (sex)")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'next'")

    monkeypatch.setattr(migration, "upgrade", step)
    assert migrate(url) == ("next",)
    with Catalog.open(url) as again:
        assert again.study(study_uid(1)).summary.instances == 1


def test_a_migration_that_fails_leaves_the_catalog_as_it_was(
    catalog: Catalog, file: Path, url: str, monkeypatch: pytest.MonkeyPatch
):
    catalog.close()
    monkeypatch.setattr("retention.catalog.migration.SCHEMA_VERSIONS", (*tables.SCHEMA_VERSIONS, "next"))

    def step(connection, to="head"):
        connection.exec_driver_sql("DROP TABLE work")
        raise RuntimeError

    monkeypatch.setattr(migration, "upgrade", step)
    with pytest.raises(RuntimeError):
        migrate(url)
    with Catalog.open(url) as again:
        assert again.check() == []


def test_a_catalog_from_the_future_is_not_touched(catalog: Catalog, file: Path, url: str):
    catalog.close()
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    for attempt in (Catalog.open, migrate):
        with pytest.raises(CatalogError, match="9999") as caught:
            attempt(url)
        assert "newer program" in str(caught.value.hint)


def test_there_is_nothing_to_migrate_without_a_catalog(tmp_path: Path):
    with pytest.raises(CatalogMissingError):
        migrate("sqlite:///catalog.db", root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_neither_making_nor_using_a_catalog_loads_the_migration_tool(tmp_path: Path):
    code = """
import sys
from pathlib import Path
from retention.catalog.catalog import Catalog
from tests.catalog.making import ARCHIVE, URL, furnish, keep, package, study_uid
Catalog.create(URL, ARCHIVE, root=Path(sys.argv[1])).close()
with Catalog.open(URL, root=Path(sys.argv[1])) as catalog:
    furnish(catalog)
    keep(catalog, package(1))
    catalog.study(study_uid(1))
print(*[name for name in ("alembic", "mako", "sqlalchemy.dialects.postgresql") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_words_of_the_catalog_load_no_database():
    code = "import sys, retention.catalog.records; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_postgresql_gets_the_same_rules():
    """Each as far as it needs them: PostgreSQL has no REPLACE."""
    from sqlalchemy.dialects import postgresql

    statements = declared(postgresql.dialect())
    both = [guard for guard in GUARDS if not guard.sqlite_only]
    assert sum("CREATE TRIGGER" in statement for statement in statements) == len(both)
    assert sum("CREATE FUNCTION" in statement for statement in statements) == len(both)
    partial = [
        statement for statement in statements if "CREATE INDEX" in statement and " WHERE " in statement
    ]
    assert len(partial) == sum(
        i.dialect_options["sqlite"]["where"] is not None for t in METADATA.tables.values() for i in t.indexes
    )
    assert not any("SERIAL" in statement for statement in statements)
