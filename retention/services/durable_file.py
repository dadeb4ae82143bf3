"""Small documents that must outlive whoever wrote them: whole under their name, and synced, before it goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_durably(path: Path, document: dict[str, object]) -> None:
    """Write a file that is whole under its name, durably; its folder is made. Raises OSError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    beside = path.with_suffix(".new")
    with open(beside, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
