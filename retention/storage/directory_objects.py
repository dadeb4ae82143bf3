"""One file on its way into a directory volume, and one being read.

The invariants: a file whose sync failed is gone and its descriptor closed before anybody hears of it; nothing but a
sealed file is ever published; what is opened `from_medium` is read from there.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from retention.model.errors import ObjectNotFoundError
from retention.storage.names import Names
from retention.storage.os_errors import translate, translate_read, unfinished_gone
from retention.storage.space import Space
from retention.storage.syscalls import forget_cached, start_write_out
from retention.storage.volume import Buffer, ObjectReader, Upload

_WRITE_OUT_BYTES = 4 << 20
_PIECES_LIMIT = 512
_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a pipe that somebody put there would be waited for.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CLOSED = -1


def write_all(descriptor: int, pieces: tuple[Buffer, ...], size_bytes: int) -> None:
    """Write all pieces at the descriptor's position, however often the system takes only a part. Raises OSError."""
    if len(pieces) == 1:
        written = os.write(descriptor, pieces[0])
    elif len(pieces) <= _PIECES_LIMIT:
        written = os.writev(descriptor, pieces)
    else:
        written = 0
    if written == size_bytes:
        return
    rest = memoryview(b"".join(pieces))[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def create(path: str) -> int:
    """Create a file that must not exist, for writing, for its owner alone. Raises OSError."""
    return os.open(path, _CREATE, 0o600)


class DirectoryUpload(Upload):
    """A file under `incoming/` that gets its name when it is whole."""

    def __init__(self, key: str, temporary: str, *, volume: str, names: Names, space: Space) -> None:
        self.key = key
        self.size_bytes = 0
        self._temporary = temporary
        self._volume = volume
        self._names = names
        self._space = space
        self._started_bytes = 0
        self._is_sealed = False
        self._descriptor = create(temporary)

    def write(self, *pieces: Buffer) -> None:
        self._require(sealed=False)
        size_bytes = sum(memoryview(piece).nbytes for piece in pieces)
        try:
            self._space.spend(size_bytes)
            write_all(self._descriptor, pieces, size_bytes)
        except OSError as error:
            raise translate(error, self._volume, self.key) from error
        self.size_bytes += size_bytes
        if self.size_bytes - self._started_bytes >= _WRITE_OUT_BYTES:
            # What went out before the last window is on the medium by now: its memory serves the next one.
            if self._started_bytes > _WRITE_OUT_BYTES:
                forget_cached(self._descriptor, 0, self._started_bytes - _WRITE_OUT_BYTES)
            self.start_write_out()

    def start_write_out(self) -> None:
        self._require(sealed=False)
        waiting_bytes = self.size_bytes - self._started_bytes
        if waiting_bytes == 0:
            return
        try:
            start_write_out(self._descriptor, self._started_bytes, waiting_bytes)
        except OSError as error:
            self.abort()
            raise self._names.condemn(error, self.key) from error
        self._started_bytes = self.size_bytes

    def seal(self) -> None:
        self._require(sealed=False)
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            self.abort()
            raise self._names.condemn(error, self.key) from error
        self._is_sealed = True

    def publish(self) -> None:
        self._require(sealed=True)
        try:
            self._names.publish(self._temporary, self.key)
        except FileNotFoundError as error:
            raise unfinished_gone(self._volume, self.key) from error
        except OSError as error:
            raise translate(error, self._volume, self.key) from error
        self._close()

    def abort(self) -> None:
        if self._descriptor == _CLOSED:
            return
        # A volume that is gone keeps the file; it is discarded with its session later.
        with contextlib.suppress(OSError):
            Path(self._temporary).unlink()
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, _CLOSED
        # Sealed, or discarded: nothing hangs on what close says.
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def _require(self, *, sealed: bool) -> None:
        if self._descriptor == _CLOSED or self._is_sealed is not sealed:
            raise RuntimeError(f"upload of {self.key}: not {'sealed' if sealed else 'open'} any more or yet")


class DirectoryReader(ObjectReader):
    """A file opened for reading."""

    def __init__(self, key: str, path: str, volume: str, *, from_medium: bool) -> None:
        """Open it. Raises OSError, ObjectNotFoundError if it is not a plain file."""
        self._key = key
        self._volume = volume
        self._descriptor = os.open(path, _READ)
        found = os.fstat(self._descriptor)
        self.size_bytes = found.st_size
        if not stat.S_ISREG(found.st_mode):
            self.close()
            raise ObjectNotFoundError(f"volume {volume}: {key} is not a file", volume=volume, key=key)
        self._from_medium = from_medium
        if from_medium:
            forget_cached(self._descriptor)

    def read_at(self, offset: int, length: int) -> bytes:
        piece = self._read(offset, length)
        if self._from_medium and piece:
            forget_cached(self._descriptor, offset, len(piece))
        return piece

    def _read(self, offset: int, length: int) -> bytes:
        try:
            piece = os.pread(self._descriptor, length, offset)
            if len(piece) == length or not piece:
                return piece
            pieces, missing = [piece], length - len(piece)
            while missing and (piece := os.pread(self._descriptor, missing, offset + length - missing)):
                pieces.append(piece)
                missing -= len(piece)
            return b"".join(pieces)
        except OSError as error:
            raise translate_read(error, self._volume, self._key) from error

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)
