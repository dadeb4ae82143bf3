"""Writing archive.yaml: the old text or the new one, whatever happens in between; never half of one."""

from __future__ import annotations

import os
from pathlib import Path

from retention.model.errors import ArchiveError


def save_text(path: Path, text: str) -> None:
    """Put `text` in place of the file at `path`, durably, with the permissions it had.

    Two writers at once are the caller's to prevent, with the archive's lock. Raises ArchiveError if it cannot be
    written; then the old text is untouched.
    """
    beside = path.with_name(f"{path.name}.new")  # one that a killed command left behind is overwritten
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        with beside.open("wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ArchiveError(f"{path} cannot be written: {error.strerror}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
