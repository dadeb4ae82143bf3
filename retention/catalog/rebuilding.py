"""Rebuilding: a new catalog is made beside the old one and takes its place when it is complete.

The invariant: until `install`, whatever was at the catalog's address stays as it was; a rebuild that dies leaves a
file, or a server's schema, that the next one removes.
"""

from __future__ import annotations

from pathlib import Path

from retention.catalog.catalog import Catalog
from retention.catalog.database import BUSY_TIMEOUT_S, SCHEMA, Database, database_file, use_write_ahead_log
from retention.catalog.files import make_file, remove_file, take_place
from retention.model.errors import CatalogMissingError
from retention.model.identifiers import ArchiveId

SUFFIX = ".rebuilding"
SCHEMA_BESIDE = f"{SCHEMA}_rebuilding"


def create_beside(url: str, archive_id: ArchiveId, *, root: Path | None = None) -> Catalog:
    """Make an empty catalog beside the one at `url`, to be filled and installed.

    Nothing in it is synced until then, since it is worth nothing before.
    """
    place = database_file(url, root)
    if place is None:
        database = Database(
            url, root, busy_timeout_s=BUSY_TIMEOUT_S, synced=False, server_schema=SCHEMA_BESIDE
        )
        with database.closed_on_failure():
            _drop(database)
    else:
        file = _beside(place)
        remove_file(file)
        make_file(file)
        address = f"sqlite:///{file.absolute()}"
        database = Database(address, None, busy_timeout_s=BUSY_TIMEOUT_S, synced=False)
    return Catalog.begin(database, archive_id)


def install(building: Catalog, url: str, *, root: Path | None = None) -> None:
    """Close a catalog made by `create_beside` and put it at `url`, durably; open it there afterwards.

    Whoever still has the old file open goes on seeing that: the caller holds the archive's lock. Raises
    CatalogMissingError if nothing was built.
    """
    building.close()
    place = database_file(url, root)
    if place is None:
        _install_on_server(url)
        return
    file = _beside(place)
    if not file.is_file():
        raise CatalogMissingError(
            f"there is no rebuilt catalog {file}", hint="run `retention catalog rebuild`"
        )
    use_write_ahead_log(file)
    take_place(file, place)


def discard(building: Catalog, url: str, *, root: Path | None = None) -> None:
    """Close a catalog made by `create_beside` and remove it."""
    building.close()
    place = database_file(url, root)
    if place is not None:
        remove_file(_beside(place))
        return
    database = Database(url, root, busy_timeout_s=BUSY_TIMEOUT_S)
    try:
        _drop(database)
    finally:
        database.close()


def _install_on_server(url: str) -> None:
    """Let one schema take the other's place, in one transaction: whoever reads sees the one or the other."""
    database = Database(url, None, busy_timeout_s=BUSY_TIMEOUT_S)
    try:
        with database.write() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            connection.exec_driver_sql(f"ALTER SCHEMA {SCHEMA_BESIDE} RENAME TO {SCHEMA}")
    finally:
        database.close()


def _drop(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA_BESIDE} CASCADE")


def _beside(place: Path) -> Path:
    return place.with_name(place.name + SUFFIX)
