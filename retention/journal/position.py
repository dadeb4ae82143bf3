"""Where the journal ends: all that is needed to continue it, or to open it again without reading it from the start."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retention.journal.merkle import Frontier
from retention.journal.segment import Cursor

_LAYOUT = struct.Struct("<4sQ16sQ16sQQ")
_MAGIC = b"RJP1"


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a journal: where its last segment starts, where its last entry ends, and its tree.

    `frontier` is `Frontier.to_bytes()`. Kept by the catalog as a hint: a journal that was opened with it and does not
    continue it is found out.
    """

    segment: Cursor
    end: Cursor
    frontier: bytes

    @classmethod
    def of_empty(cls) -> Position:
        return cls(Cursor(), Cursor(), Frontier().to_bytes())

    @property
    def size(self) -> int:
        """How many entries there are; also the number of the next."""
        return self.end.seq

    def at_next_segment(self) -> Position:
        """The same place, seen as the beginning of a new segment."""
        start = self.end.at_segment_start()
        return Position(start, start, self.frontier)

    def to_bytes(self) -> bytes:
        segment, end = self.segment, self.end
        sizes = (end.envelopes_bytes, end.payloads_bytes)
        return _LAYOUT.pack(_MAGIC, segment.seq, segment.link, end.seq, end.link, *sizes) + self.frontier

    @classmethod
    def from_bytes(cls, data: bytes) -> Position:
        """Read what `to_bytes` wrote. Raises ValueError."""
        if len(data) < _LAYOUT.size or not data.startswith(_MAGIC):
            raise ValueError("not a journal position")
        _, segment_seq, segment_link, seq, link, envelopes_bytes, payloads_bytes = _LAYOUT.unpack_from(data)
        frontier = data[_LAYOUT.size :]
        if Frontier.from_bytes(frontier).size != seq:
            raise ValueError("not a journal position: its tree has another size")
        return cls(
            Cursor(segment_seq, segment_link), Cursor(seq, link, envelopes_bytes, payloads_bytes), frontier
        )


class GrowingTree:
    """A frontier that grows over leaves and is compared with a known one when it has that size.

    `roots` gets its root at every size in `sizes` that it passes.
    """

    def __init__(self, known: Position | None, sizes: Iterable[int] = ()) -> None:
        self.frontier = Frontier()
        self.roots: dict[int, bytes] = {}
        self._waiting = sorted(sizes, reverse=True)
        self._known = known
        self._agreed = known is None or known.frontier == self.frontier.to_bytes()

    def extend(self, leaves: Sequence[bytes]) -> None:
        until = len(leaves) if self._known is None else self._known.size - self.frontier.size
        if 0 < until <= len(leaves):
            self._grow(leaves[:until])
            self._agreed = self._known is None or self._known.frontier == self.frontier.to_bytes()
            leaves = leaves[until:]
        self._grow(leaves)

    def _grow(self, leaves: Sequence[bytes]) -> None:
        while self._waiting and self._waiting[-1] <= self.frontier.size + len(leaves):
            size = self._waiting.pop()
            count = size - self.frontier.size
            if count >= 0:
                self.frontier.extend(leaves[:count])
                leaves = leaves[count:]
                self.roots[size] = self.frontier.root()
        self.frontier.extend(leaves)

    @property
    def continues_known(self) -> bool:
        """Whether the tree passed through the known one (if there is one) and it was the same."""
        return self._agreed
