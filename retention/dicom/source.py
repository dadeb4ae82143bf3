"""What the walker reads from: a window over a reader, or the inflated form of a deflated data set.

Only what is asked for is read (16 KiB first, more where reading goes on in one piece), so a head costs one or two
reads however large the pixel data is; memory is one window, or the inflated bytes within their limit.
"""

from __future__ import annotations

import sys
import zlib
from typing import Protocol

from retention.dicom.limits import Budget
from retention.dicom.readers import Reader

_FIRST_WINDOW_BYTES = 16 * 1024
_LARGEST_WINDOW_BYTES = 1024 * 1024
_INFLATED_STEP_BYTES = 64 * 1024
_SIZE_UNKNOWN = sys.maxsize


class Source(Protocol):
    """Bytes that can be walked. `size_bytes` is the largest integer while the end is not known yet."""

    size_bytes: int

    def read(self, offset: int, need: int) -> bytes:
        """Return what is at hand from `offset` on: at least `need` bytes, fewer only at the end."""
        ...

    def peek(self, offset: int, need: int) -> bytes:
        """Return `need` bytes from `offset` on, fewer only at the end."""
        ...


class Window:
    """The piece of a reader that is being looked at. A reader that ends sooner than it said ends the source there."""

    def __init__(self, reader: Reader, budget: Budget) -> None:
        self.size_bytes = reader.size_bytes
        self._reader = reader
        self._budget = budget
        self._base = 0
        self._data = b""
        self._span_bytes = _FIRST_WINDOW_BYTES

    def read(self, offset: int, need: int) -> bytes:
        start = self._locate(offset, need)
        return self._data[start:] if start else self._data

    def peek(self, offset: int, need: int) -> bytes:
        start = self._locate(offset, need)
        return self._data[start : start + need]

    def _locate(self, offset: int, need: int) -> int:
        """Have `need` bytes at `offset` in the window where the source has them; return where in it they start."""
        start = offset - self._base
        if start >= 0 and start + need <= len(self._data):
            return start
        goes_on = 0 <= start <= len(self._data) and bool(self._data)
        self._span_bytes = (
            min(self._span_bytes * 4, _LARGEST_WINDOW_BYTES) if goes_on else _FIRST_WINDOW_BYTES
        )
        wanted = min(max(need, self._span_bytes), self.size_bytes - offset)
        data = self._reader.read_at(offset, wanted) if wanted > 0 else b""
        self._budget.spend_bytes(len(data))
        if len(data) < wanted:
            self.size_bytes = offset + len(data)
        self._base, self._data = offset, data
        return 0


class Inflated:
    """A deflated data set (PS3.5 A.5), inflated as far as it is walked. Offsets count inflated bytes.

    Corrupt or cut deflate data end the source where they stop making sense; `is_corrupt` says so.
    """

    def __init__(self, deflated: Window, offset: int, budget: Budget) -> None:
        self.size_bytes = _SIZE_UNKNOWN
        self.is_corrupt = False
        self._deflated = deflated
        self._offset = self._next = offset
        self._budget = budget
        self._data = bytearray()
        # Some writers leave the zlib header (RFC 1950) around the raw deflate data that the standard asks for.
        first = deflated.peek(offset, 2)
        has_header = len(first) == 2 and first[0] == 0x78 and int.from_bytes(first, "big") % 31 == 0
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)

    @property
    def deflated_end(self) -> int:
        """How far the deflated bytes were read, as an offset in the file."""
        return self._next - len(self._inflater.unconsumed_tail)

    def read(self, offset: int, need: int) -> bytes:
        return self.peek(offset, max(need, _FIRST_WINDOW_BYTES))

    def peek(self, offset: int, need: int) -> bytes:
        while len(self._data) < offset + need and self.size_bytes == _SIZE_UNKNOWN:
            self._inflate_step()
        return bytes(self._data[offset : offset + need])

    def _inflate_step(self) -> None:
        deflated = self._inflater.unconsumed_tail
        if not deflated:
            deflated = self._deflated.read(self._next, 1)
            self._next += len(deflated)
        try:
            inflated = self._inflater.decompress(deflated, _INFLATED_STEP_BYTES)
        except zlib.error:
            inflated, self.is_corrupt = b"", True
        self._data += inflated
        self._budget.check_inflated(len(self._data), self.deflated_end - self._offset)
        if self.is_corrupt or self._inflater.eof or not (deflated or inflated):
            self.size_bytes = len(self._data)
