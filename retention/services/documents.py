"""The two documents on every volume: the format, and a reader that needs nothing of this program (format §2)."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

from retention.model.errors import ObjectNotFoundError, ObjectUnreadableError
from retention.storage.volume import Volume

NAMES = ("FORMAT.md", "recover.py")


@lru_cache(maxsize=1)
def shipped() -> dict[str, bytes]:
    """Return the documents' bytes by name."""
    folder = resources.files("retention.package.recovery")
    return {name: folder.joinpath(name).read_bytes() for name in NAMES}


def missing_on(volume: Volume) -> list[str]:
    """Return the names of the documents that are not on the volume as shipped. Raises VolumeUnavailableError."""
    missing = []
    for name, text in shipped().items():
        try:
            with volume.open(name) as reader:
                found = reader.read_at(0, reader.size_bytes)
        except (ObjectNotFoundError, ObjectUnreadableError):
            found = b""
        if found != text:
            missing.append(name)
    return missing


def write_to(volume: Volume) -> None:
    """Put the documents on the volume; the commit lock must be held (`sessions.DOCUMENT`). Raises StorageError."""
    for name, text in shipped().items():
        volume.replace(name, text)
