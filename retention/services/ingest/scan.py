"""First look at what is to be ingested: each file's identity and facts, from its head alone.

Every file below the given paths is accounted for: identified, to be quarantined, skipped, or unreadable.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from retention.dicom.head import Head, NotKept, Unidentified, read_head
from retention.dicom.readers import FileReader
from retention.model.digests import blake3_digest
from retention.model.errors import NotFoundError

PREFIX_BYTES = 16 * 1024

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What would differ if the file were changed between the scan and its ingest."""

    size_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileStamp:
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class OpenInput(Protocol):
    """The bytes of an instance that is being kept. Used by one thread at a time."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes. Raises InputChangedError, OSError."""
        ...

    def check_unchanged(self) -> None:
        """Raise InputChangedError if it is not what was scanned."""
        ...

    def close(self) -> None: ...


class InputSource(Protocol):
    """Where the bytes of an instance come from that is no file by itself."""

    def open(self) -> OpenInput:
        """Open it to be read. Raises InputChangedError, OSError."""
        ...


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A file that will be kept. `head` is None for quarantine, whose reason and detail stand instead.

    `prefix_digest` is the BLAKE3 of the first 16 KiB: what was identified is what must be read later. `source` has the
    bytes where `path` is only a name for people.
    """

    path: str
    stamp: FileStamp
    prefix_digest: bytes
    head: Head | None
    reason: str = ""
    detail: str = ""
    source: InputSource | None = None


@dataclass(frozen=True, slots=True)
class SkippedFile:
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    path: str
    reason: str


class _PrefixedReader:
    """Reads a file whose first bytes are already here."""

    def __init__(self, descriptor: int, size_bytes: int, prefix: bytes) -> None:
        self.size_bytes = size_bytes
        self._file = FileReader(descriptor)
        self._prefix = prefix

    def read_at(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._prefix):
            return self._prefix[offset : offset + length]
        return self._file.read_at(offset, length)


class Scanner:
    """Scans files, keeping one copy of facts that repeat from file to file."""

    def __init__(self) -> None:
        self._facts: dict[object, object] = {}

    def scan(self, paths: Iterable[Path]) -> Iterator[ScannedFile | SkippedFile | UnreadableFile]:
        """Yield one result a file, in a stable order; a path that cannot be looked at is a result too.

        Raises NotFoundError, before anything else, for a path that does not exist.
        """
        paths = list(paths)
        for path in paths:
            if _is_absent(path):
                raise NotFoundError(
                    f"there is neither a file nor a folder {path}", hint="give a DICOM file or a folder"
                )
        for path in paths:
            yield from self._scan_below(str(path))

    def _scan_below(self, root: str) -> Iterator[ScannedFile | SkippedFile | UnreadableFile]:
        pending = [root]
        while pending:
            path = pending.pop()
            if not os.path.isdir(path) or (os.path.islink(path) and path != root):
                yield self._scan_file(path, follow=path == root)
                continue
            try:
                names = sorted(os.listdir(path), reverse=True)
            except OSError as error:
                yield UnreadableFile(path, f"unreadable: {error.strerror}")
                continue
            pending += [os.path.join(path, name) for name in names]

    def _scan_file(self, path: str, *, follow: bool) -> ScannedFile | SkippedFile | UnreadableFile:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
        try:
            if not follow and os.path.islink(path):
                return SkippedFile(path, "symbolic-link")
            descriptor = os.open(path, flags)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a socket
                return SkippedFile(path, "not-a-file")
            return UnreadableFile(path, f"unreadable: {error.strerror}")
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return SkippedFile(path, "not-a-file")
            return self._scan_open(path, descriptor, found)
        except OSError as error:
            return UnreadableFile(path, f"unreadable: {error.strerror}")
        finally:
            os.close(descriptor)

    def _scan_open(self, path: str, descriptor: int, found: os.stat_result) -> ScannedFile | SkippedFile:
        prefix = os.pread(descriptor, PREFIX_BYTES, 0)
        head = read_head(_PrefixedReader(descriptor, found.st_size, prefix))
        if isinstance(head, NotKept):
            return SkippedFile(path, head.reason)
        stamp, digest = FileStamp.of(found), blake3_digest(prefix)
        if isinstance(head, Unidentified):
            return ScannedFile(path, stamp, digest, None, head.reason, head.detail)
        return ScannedFile(path, stamp, digest, self._shared(head))

    def _shared(self, head: Head) -> Head:
        return replace(
            head,
            patient=self._one(head.patient),
            study=self._one(head.study),
            series=self._one(head.series),
        )

    def _one(self, facts: _T) -> _T:
        kept: _T = self._facts.setdefault(facts, facts)  # type: ignore[assignment]  # same key, same type
        return kept


def _is_absent(path: Path) -> bool:
    """Whether nothing is there; a place that cannot be looked at is told apart, by whoever opens it."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
