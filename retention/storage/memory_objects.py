"""One upload into a memory volume, and one of its objects opened for reading."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from retention.model.errors import VolumeSuspectError
from retention.storage.memory_medium import Incoming, Medium
from retention.storage.os_errors import translate, translate_read, unfinished_gone
from retention.storage.volume import Buffer, ObjectReader, Upload


class MemoryUpload(Upload):
    """An entry of the medium's `incoming`; `condemn` marks its volume after a failed sync."""

    def __init__(
        self,
        key: str,
        temporary: str,
        *,
        volume: str,
        medium: Medium,
        reserve_bytes: int,
        condemn: Callable[[OSError, str], VolumeSuspectError],
    ) -> None:
        self.key = key
        self.size_bytes = 0
        self._temporary = temporary
        self._volume = volume
        self._medium = medium
        self._reserve_bytes = reserve_bytes
        self._condemn = condemn
        self._boots = medium.boots
        self._is_over = False
        self._file = medium.incoming[temporary] = Incoming()

    def write(self, *pieces: Buffer) -> None:
        self._require(sealed=False)
        data = b"".join(pieces)
        fault = self._medium.faults.strike("write")
        taken = data if fault is None else data[: fault.torn_bytes]
        try:
            self._medium.grow(len(taken), self._reserve_bytes)
            self._file.data += taken
            self.size_bytes += len(taken)
            if fault is not None:
                raise fault.error
        except OSError as error:
            raise translate(error, self._volume, self.key) from error

    def start_write_out(self) -> None:
        self._require(sealed=False)

    def seal(self) -> None:
        self._require(sealed=False)
        try:
            self._medium.faults.meet("seal")
        except OSError as error:
            self.abort()
            raise self._condemn(error, self.key) from error
        self._file.is_sealed = True

    def publish(self) -> None:
        self._require(sealed=True)
        medium = self._medium
        with medium.lock:
            try:
                medium.faults.meet("publish")
                if self.key in medium.seen:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            except OSError as error:
                raise translate(error, self._volume, self.key) from error
            if self._temporary not in medium.incoming:
                raise unfinished_gone(self._volume, self.key)
            medium.publish(self.key, bytes(self._file.data))
            del medium.incoming[self._temporary]
        self._is_over = True

    def abort(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._boots == self._medium.boots and self._medium.incoming.pop(self._temporary, None) is not None:
            self._medium.grow(-self.size_bytes)

    def _require(self, *, sealed: bool) -> None:
        if self._is_over or self._file.is_sealed is not sealed:
            raise RuntimeError(f"upload of {self.key}: not {'sealed' if sealed else 'open'} any more or yet")
        if self._boots != self._medium.boots:
            raise translate(OSError(errno.ENODEV, "there was a power cut"), self._volume, self.key)


class MemoryReader(ObjectReader):
    """The bytes an object had when it was opened."""

    def __init__(self, key: str, data: bytes, *, volume: str, medium: Medium) -> None:
        self.size_bytes = len(data)
        self._key = key
        self._data = data
        self._volume = volume
        self._medium = medium

    def read_at(self, offset: int, length: int) -> bytes:
        try:
            self._medium.faults.meet("read")
        except OSError as error:
            raise translate_read(error, self._volume, self._key) from error
        return self._data[offset : offset + length]

    def close(self) -> None:
        """There is nothing to give back."""
