"""Where the bytes of an instance come from while its head is read: memory, or an open file.

A reader answers any offset and length, and gives fewer bytes only at its end.
"""

from __future__ import annotations

import os
from typing import Protocol


class Reader(Protocol):
    """Random access to the bytes of one instance."""

    @property
    def size_bytes(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, fewer only at the end. May raise OSError."""
        ...


class BytesReader:
    """An instance, or the beginning of one, in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data).cast("B")
        self.size_bytes = len(self._view)

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._view[offset : offset + length])


class FileReader:
    """An open file, by its descriptor; the file's own position is neither used nor moved.

    The caller opens and closes it. The size is the one at construction.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, offset)
        while len(data) < length:  # the system may give less than asked for; only nothing means the end
            more = os.pread(self._descriptor, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data
