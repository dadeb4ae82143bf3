"""Small documents that must outlive whoever wrote them: whole under their name, and synced, before it goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_durably(path: Path, document: dict[str, object]) -> None:
    """Write a file that is whole under its name, durably; its folder is made. Raises OSError."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _sync(path.parent.parent)
    beside = path.with_suffix(".new")
    with open(beside, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
