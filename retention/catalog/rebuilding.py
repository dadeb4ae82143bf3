"""Rebuilding: a new catalog is made beside the old one and takes its place when it is complete.

The invariant: until `install`, whatever was at the catalog's address stays as it was; a rebuild that dies leaves a
file that the next one removes.
"""

from __future__ import annotations

from pathlib import Path

from retention.catalog.catalog import Catalog
from retention.catalog.database import BUSY_TIMEOUT_S, Database, database_file, use_write_ahead_log
from retention.catalog.files import make_file, remove_file, take_place
from retention.model.errors import CatalogMissingError, SettingsError
from retention.model.identifiers import ArchiveId

SUFFIX = ".rebuilding"


def create_beside(url: str, archive_id: ArchiveId, *, root: Path | None = None) -> Catalog:
    """Make an empty catalog beside the one at `url`, to be filled and installed.

    Nothing in it is synced until then, since it is worth nothing before. Raises SettingsError for a server.
    """
    _, file = _places(url, root)
    remove_file(file)
    make_file(file)
    database = Database(f"sqlite:///{file.absolute()}", None, busy_timeout_s=BUSY_TIMEOUT_S, synced=False)
    return Catalog.begin(database, archive_id)


def install(building: Catalog, url: str, *, root: Path | None = None) -> None:
    """Close a catalog made by `create_beside` and put it at `url`, durably; open it there afterwards.

    Whoever still has the old one open goes on seeing that: the caller holds the archive's lock. Raises
    CatalogMissingError if nothing was built.
    """
    place, file = _places(url, root)
    building.close()
    if not file.is_file():
        raise CatalogMissingError(
            f"there is no rebuilt catalog {file}", hint="run `retention catalog rebuild`"
        )
    use_write_ahead_log(file)
    take_place(file, place)


def discard(building: Catalog, url: str, *, root: Path | None = None) -> None:
    """Close a catalog made by `create_beside` and remove it."""
    building.close()
    remove_file(_places(url, root)[1])


def _places(url: str, root: Path | None) -> tuple[Path, Path]:
    place = database_file(url, root)
    if place is None:
        message = "a catalog on a server is rebuilt into a new, empty database"
        raise SettingsError(message, hint="name the new database in archive.yaml")
    return place, place.with_name(place.name + SUFFIX)
