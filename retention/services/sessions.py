"""Sessions: what a run that writes is about to put on volumes, so that a killed one leaves nothing behind.

A session is a file under `sessions/`, locked as long as its process lives, that lists every object the run will publish
or drop, written before it does. When the process is gone, whatever the catalog does not know of is removed: an
unacknowledged package is wholly absent. An object the catalog refers to is never touched.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from retention.catalog.catalog import Catalog
from retention.model.errors import StorageError
from retention.model.identifiers import PackageId, new_id
from retention.services.volumes import VolumeSet, parse_shard_key

FOLDER = "sessions"
_UNLOCKED = ".new"


class Session:
    """One run that writes. Close it when all it listed is committed or removed."""

    def __init__(self, root: Path) -> None:
        folder = root / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self.name = new_id()[:16]
        self._path = folder / self.name
        unlocked = folder / f"{self.name}{_UNLOCKED}"
        self._descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        unlocked.rename(self._path)     # nobody ever sees a session that is alive and not locked

    def intend(self, objects: Iterable[tuple[str, str]]) -> None:
        """Record, durably, the (volume, key) pairs about to be published or dropped."""
        lines = "".join(f"{volume} {key}\n" for volume, key in objects)
        os.write(self._descriptor, lines.encode())
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def recover(root: Path, volumes: VolumeSet, catalog: Catalog) -> list[str]:
    """Clean up after sessions whose process is gone; return their names.

    The catalog must have applied the whole journal. A session that listed objects on volumes that do not answer now
    is kept for the next start.
    """
    folder = root / FOLDER
    if not folder.is_dir():
        return []
    recovered = []
    for path in sorted(path for path in folder.iterdir() if path.suffix != _UNLOCKED):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if _is_over(descriptor) and _clean(path, volumes, catalog):
                path.unlink(missing_ok=True)
                recovered.append(path.name)
        finally:
            os.close(descriptor)
    return recovered


def _is_over(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clean(path: Path, volumes: VolumeSet, catalog: Catalog) -> bool:
    is_complete = True
    intended: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        volume_name, _, key = line.partition(" ")
        intended.setdefault(volume_name, []).append(key)
    for volume in volumes:
        try:
            volume.discard_incoming(path.name)
            orphans = [key for key in intended.get(volume.name, ()) if _is_orphan(catalog, volume.name, key)]
            volume.delete_many(orphans)
        except StorageError:
            is_complete = is_complete and volume.name not in intended
    return is_complete


def _is_orphan(catalog: Catalog, volume: str, key: str) -> bool:
    named = parse_shard_key(key)
    if named is None:
        return False
    package, number, generation = named
    shards = catalog.shards_of(PackageId(package))
    return not any(
        (shard.number, shard.generation, shard.volume) == (number, generation, volume) for shard in shards
    )
