"""Bringing an older catalog to this program's schema.

The invariant: all steps happen in one transaction, so a migration is done or not begun. The migration tool is loaded
here and nowhere else, and only when there is something to do.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from retention.catalog.database import BUSY_TIMEOUT_S, Database
from retention.catalog.schema import installed_version, require_newest
from retention.catalog.tables import SCHEMA_VERSIONS

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(url: str, *, root: Path | None = None) -> tuple[str, ...]:
    """Bring the catalog at `url` to the newest schema; return the versions that were added, oldest first.

    Raises CatalogMissingError, CatalogError for a schema this program does not know, LockedError.
    """
    database = Database(url, root, busy_timeout_s=BUSY_TIMEOUT_S)
    database.require()
    try:
        with database.write() as connection:
            version = installed_version(connection)
            if version not in SCHEMA_VERSIONS:
                steps: tuple[str, ...] = ()
            else:
                steps = SCHEMA_VERSIONS[SCHEMA_VERSIONS.index(version) + 1 :]
            if steps:
                upgrade(connection)
        require_newest(database)
    finally:
        database.close()
    return steps


def upgrade(connection: Connection, to: str = "head") -> None:
    """Run the migrations up to a version, inside the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
