"""Sessions: what a run that writes is about to put on volumes, so that a killed one leaves nothing behind.

A session is a file under `sessions/`, locked as long as its process lives, that lists every object the run will publish
or drop, written before it does. When the process is gone, whatever the catalog does not know of is removed: an
unacknowledged package is wholly absent. An object that the catalog refers to, or that a run still alive has on its own
list, is never touched. A run that ends with anything in doubt leaves its list to the next start.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from retention.catalog.catalog import Catalog
from retention.model.errors import ArchiveError, NotFoundError, StorageError
from retention.model.identifiers import PackageId, new_id
from retention.services import gate
from retention.services.volumes import VolumeSet, parse_shard_key

FOLDER = "sessions"
DOCUMENT = "document"
"""Under this name volumes keep what replaces a document; that is done under the commit lock alone."""

_UNLOCKED = ".new"
_NAME = re.compile(r"[0-9a-f]{16}\Z")


class Session:
    """One run that writes; a context manager. Left without an error and without `leave_open`, it is over."""

    def __init__(self, root: Path) -> None:
        """Begin one. Raises ArchiveError when the archive's folder cannot take its list."""
        self.name = new_id()[:16]
        self._path = root / FOLDER / self.name
        self._is_left_open = False
        with _noted(self._path):
            self._descriptor = _make(self._path)

    def intend(self, objects: Iterable[tuple[str, str]]) -> None:
        """Record, durably, the (volume, key) pairs about to be published or dropped. Raises ArchiveError."""
        lines = memoryview("".join(f"{volume} {key}\n" for volume, key in objects).encode())
        with _noted(self._path):
            while lines:
                lines = lines[os.write(self._descriptor, lines) :]
            os.fdatasync(self._descriptor)

    def leave_open(self) -> None:
        """Something of what was listed could not be put right now: the next start will."""
        self._is_left_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and not self._is_left_open:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The runs that are alive: their names, and the (volume, key) pairs on their lists."""

    names: frozenset[str] = frozenset()
    objects: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True)
class _Found:
    """All sessions, as one look found them."""

    names: set[str] = field(default_factory=set)
    objects: set[tuple[str, str]] = field(default_factory=set)
    over: list[Path] = field(default_factory=list)
    unborn: list[Path] = field(default_factory=list)


def under_way(root: Path) -> UnderWay:
    """Return what other runs, and this process's own, have on their lists now."""
    found = _Found()
    with _looking(root, found):
        return UnderWay(frozenset(found.names), frozenset(found.objects))


def recover(root: Path, volumes: VolumeSet, catalog: Catalog) -> list[str]:
    """Clean up after runs whose process is gone; return the names of those that are dealt with.

    The commit lock must be held, and the catalog must have applied the whole journal. A session that listed objects on
    volumes that do not answer now is kept for the next start.
    """
    unfinished = {volume.name: _incoming(volumes, volume.name) for volume in volumes}
    found = _Found()
    with _looking(root, found):
        for volume, names in unfinished.items():
            _discard(volumes, volume, names - found.names)
        settled = [path for path in found.over if _settle(path, volumes, catalog, found.objects)]
        for path in [*settled, *found.unborn]:
            path.unlink(missing_ok=True)
    return [path.name for path in settled]


def _make(path: Path) -> int:
    """Make a session's file: nobody ever sees one under its name that is alive and not locked."""
    folder = path.parent
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)
    while (descriptor := _make_locked(path)) is None:
        pass
    _sync(folder)
    return descriptor


def _make_locked(path: Path) -> int | None:
    """Make and lock the file, then give it its name; None when somebody took it for a dead one meanwhile."""
    unlocked = path.with_name(f"{path.name}{_UNLOCKED}")
    descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unlocked.rename(path)
    except FileNotFoundError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _looking(root: Path, found: _Found) -> Iterator[None]:
    """Fill `found` from the session files; those that are over stay locked, and so ours, until the block ends."""
    folder = root / FOLDER
    held: list[int] = []
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if _NAME.match(path.name.removesuffix(_UNLOCKED)):
                with suppress(FileNotFoundError):  # that run ended a moment ago
                    held += _look(path, found)
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _look(path: Path, found: _Found) -> list[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        found.names.add(path.name.removesuffix(_UNLOCKED))
        found.objects.update(_listed(path))
        return []
    (found.unborn if path.suffix == _UNLOCKED else found.over).append(path)
    return [descriptor]


def _listed(path: Path) -> list[tuple[str, str]]:
    """Return the pairs on a list. A line that was cut short names nothing: it was not durable, nor acted upon."""
    lines = path.read_text("utf-8", errors="replace").split("\n")[:-1]
    return [(volume, key) for volume, _, key in (line.partition(" ") for line in lines)]


def _incoming(volumes: VolumeSet, volume: str) -> set[str]:
    """Return the sessions with unfinished uploads on a volume, as far as it answers."""
    try:
        return {name for name in volumes[volume].incoming_sessions() if name == DOCUMENT or _NAME.match(name)}
    except StorageError:
        return set()


def _discard(volumes: VolumeSet, volume: str, sessions: Iterable[str]) -> None:
    with suppress(StorageError):  # it is found again at the next start
        for session in sessions:
            volumes[volume].discard_incoming(session)


def _settle(path: Path, volumes: VolumeSet, catalog: Catalog, alive: set[tuple[str, str]]) -> bool:
    """Remove what a dead run listed and the catalog does not know; return whether all of it could be."""
    orphans: dict[str, list[str]] = {}
    for volume, key in _orphans(_listed(path), catalog):
        if (volume, key) not in alive:
            orphans.setdefault(volume, []).append(key)
    is_settled = True
    for volume, keys in orphans.items():
        try:
            if volume in volumes:  # else it left the archive, and the list with it
                gate.remove(catalog, volumes[volume], keys, gate.Why.UNFINISHED)
        except StorageError:
            is_settled = False
    return is_settled


def _orphans(listed: list[tuple[str, str]], catalog: Catalog) -> Iterator[tuple[str, str]]:
    known: dict[str, set[tuple[int, int, str | None]]] = {}
    for volume, key in listed:
        named = parse_shard_key(key)
        if named is None:
            continue
        package, number, generation = named
        if package not in known:
            known[package] = _places(catalog, PackageId(package))
        if (number, generation, volume) not in known[package]:
            yield volume, key


def _places(catalog: Catalog, package: PackageId) -> set[tuple[int, int, str | None]]:
    try:
        shards = catalog.shards_of(package)
    except NotFoundError:
        return set()  # never committed
    return {(shard.number, shard.generation, shard.volume) for shard in shards}


@contextmanager
def _noted(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"what is about to be written cannot be noted in {path}: {error.strerror}",
            hint="nothing was written; look at the space and the permissions of the archive's folder",
        ) from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
