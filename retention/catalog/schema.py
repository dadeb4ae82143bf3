"""The schema of the database: making it in an empty one, and recognising whether one has it.

The invariant: a database is read and written only if it says that it has exactly the newest version. `install_schema`
makes that version directly from `tables` and `guards`; the migrations arrive at the same (a test compares), so that
neither making nor opening a catalog loads the migration tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Index, inspect, text
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from retention.catalog import (
    approval_tables,
    audit_tables,
    counter_tables,
    credential_tables,
    disposal_tables,
    fact_tables,
    guards,
    hidden_tables,
    hold_tables,
    job_tables,
    people_tables,
    policy_tables,
    recall_tables,
)
from retention.catalog.database import REBUILD, Database
from retention.catalog.declaring import DECLARED, METADATA
from retention.catalog.tables import SCHEMA_VERSIONS
from retention.model.errors import CatalogError, CatalogMissingError, WriteOnceError

GUARDS = (
    *guards.GUARDS,
    *policy_tables.GUARDS,
    *counter_tables.GUARDS,
    *hidden_tables.GUARDS,
    *hold_tables.GUARDS,
    *job_tables.GUARDS,
    *fact_tables.GUARDS,
    *recall_tables.GUARDS,
    *people_tables.GUARDS,
    *credential_tables.GUARDS,
    *approval_tables.GUARDS,
    *disposal_tables.GUARDS,
    *audit_tables.GUARDS,
)
"""The guards of all tables."""

VERSION_TABLE = (
    "CREATE TABLE alembic_version (\n\tversion_num VARCHAR(32) NOT NULL, \n\t"
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)\n)"
)
"""As the migration tool makes it, which keeps its place there."""


def install_schema(connection: Connection) -> None:
    """Make all tables, indexes and guards, and note the version. Raises WriteOnceError if there is one already."""
    if installed_version(connection) is not None:
        raise WriteOnceError("there is a catalog in this database already")
    for statement in declared(connection.dialect):
        connection.exec_driver_sql(statement)
    connection.execute(
        text("INSERT INTO alembic_version (version_num) VALUES (:newest)"), {"newest": SCHEMA_VERSIONS[-1]}
    )


def declared(dialect: Dialect) -> list[str]:
    """Return the DDL of the newest version, as a dialect writes it."""
    statements = [VERSION_TABLE]
    for table in METADATA.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements.extend(_index(index, dialect) for index in indexes)
    for guard in GUARDS:
        statements.extend(guard.statements(dialect.name))
    return statements


def _index(index: Index, dialect: Dialect) -> str:
    """Return what makes an index, under its condition in every dialect; the declaration stays as it is."""
    where, name = index.dialect_options["sqlite"]["where"], f"{dialect.name}_where"
    if where is None or dialect.name == "sqlite":
        return str(CreateIndex(index).compile(dialect=dialect))
    index.dialect_kwargs[name] = where
    try:
        return str(CreateIndex(index).compile(dialect=dialect))
    finally:
        del index.dialect_kwargs[name]


def declarations() -> Mapping[str, type[Any]]:
    """Return every declaration by the name of its table: this module has imported them all."""
    return DECLARED


def installed_version(connection: Connection) -> str | None:
    """Return the version the database says it has, None if it says nothing."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def require_newest(database: Database) -> None:
    """Raise CatalogError unless the database has exactly the schema this program knows; each case with its hint."""
    with database.read() as connection:
        version = installed_version(connection)
    if version == SCHEMA_VERSIONS[-1]:
        return
    if version is None:
        if database.file is None:
            raise CatalogMissingError(f"there is no catalog in {database.place}", hint=REBUILD)
        raise CatalogError(f"{database.place} is not a catalog, or an unfinished one", hint=REBUILD)
    if version in SCHEMA_VERSIONS:
        message = (
            f"the catalog {database.place} has schema {version}, this program needs {SCHEMA_VERSIONS[-1]}"
        )
        raise CatalogError(message, hint="run `retention catalog migrate`")
    message = f"the catalog {database.place} has schema {version}, which this program does not know"
    hint = "use the newer program that made it, or run `retention catalog rebuild` with this one"
    raise CatalogError(message, hint=hint)
