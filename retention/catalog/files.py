"""The database file itself: made empty and private, put in place whole.

The invariants: a catalog's file is readable by its owner only (it names patients), and a file that takes the place
of another is complete and durable before it has the name, with nothing left beside it that belongs to the old one.
"""

from __future__ import annotations

import os
from pathlib import Path

from retention.model.errors import ArchiveNotFoundError, WriteOnceError

BESIDE = ("-wal", "-shm", "-journal")


def make_file(file: Path) -> None:
    """Make an empty file, 0600. Raises WriteOnceError if it is there, ArchiveNotFoundError without its directory."""
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise WriteOnceError(f"there is a catalog at {file} already") from None
    except FileNotFoundError:
        raise ArchiveNotFoundError(f"there is no directory {file.parent} to make a catalog in") from None
    os.close(descriptor)
    remove_companions(file)
    sync_directory(file.parent)


def remove_file(file: Path) -> None:
    """Remove a database and whatever lies beside it, if it is there."""
    file.unlink(missing_ok=True)
    remove_companions(file)


def remove_companions(file: Path) -> None:
    """Remove the logs beside a database. A log that outlived its database would be taken for the next one's."""
    for suffix in BESIDE:
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def take_place(new: Path, old: Path) -> None:
    """Sync `new` and give it the name `old`, whose own file and logs go first.

    Interrupted, there is either no catalog (which is noticed) or the new one; never a mixture.
    """
    descriptor = os.open(new, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    remove_file(old)
    sync_directory(old.parent)
    new.replace(old)
    sync_directory(old.parent)


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
