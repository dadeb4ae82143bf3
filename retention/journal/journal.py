"""The journal: what happened and was decided, appended to all replicas or to none (design: no journal, no change).

An append returns when every reachable replica has it durably, at least `minimum` of them; otherwise it raises and
nothing counts. One writer at a time: whoever appends holds the archive's lock, and refreshes first. Reading needs no
lock; a journal object may be read in other threads while one appends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from retention.journal.check import (
    JournalRepair,
    JournalReport,
    heal_replicas,
    heal_segment,
    verify_replicas,
)
from retention.journal.envelope import LINK_BYTES, Entry, Envelope, NewEntry, Written, write_entries
from retention.journal.merkle import Frontier
from retention.journal.position import Position
from retention.journal.reading import read_entries, read_leaves, read_line
from retention.journal.segment import Cursor, envelopes_key, merge, payloads_key
from retention.journal.survey import (
    SegmentState,
    follow,
    list_starts,
    lost_from,
    missing,
    read_segment,
    replay,
    require_one,
)
from retention.model.errors import LockedError, RetentionError, StorageError, WriteOnceError
from retention.model.replica import Part, Replica, ReplicaSet

MINIMUM = 2
SEGMENT_PAYLOADS_BYTES = 4 << 20
SEGMENT_ENVELOPES_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class _Starts:
    """The first entries of all segments, as they were when the journal had that size."""

    size: int = -1
    firsts: Sequence[int] = ()


class Journal:
    """All replicas of one archive's journal. Made by `create` or `open`; `close` ends its threads."""

    def __init__(self, replicas: ReplicaSet, position: Position, anchor: Position) -> None:
        self._replicas = replicas
        self._position = position
        self._anchor = anchor
        self._in_step: frozenset[str] | None = None
        self._starts = _Starts()
        self.segment_payloads_bytes = SEGMENT_PAYLOADS_BYTES
        self.segment_envelopes_bytes = SEGMENT_ENVELOPES_BYTES

    @classmethod
    def create(cls, replicas: Sequence[Replica], *, minimum: int = MINIMUM) -> Journal:
        """Begin a journal where there is none. Raises WriteOnceError when any replica has one."""
        group = ReplicaSet(replicas, minimum)
        if list_starts(group):
            raise WriteOnceError("there is a journal already", hint="open this archive instead of making one")
        return cls(group, Position.of_empty(), Position.of_empty())

    @classmethod
    def open(
        cls, replicas: Sequence[Replica], *, minimum: int = MINIMUM, hint: Position | None = None
    ) -> Journal:
        """Open a journal: the longest prefix that counts on any reachable replica wins.

        With `hint`, where it ended once (`position`), only what came since is read, if a replica confirms it; without,
        all envelopes are. Raises JournalBrokenError when the journal is not there, not whole, contradicts itself or
        does not continue `hint`; VolumeUnavailableError when no replica answers.
        """
        group = ReplicaSet(replicas, minimum)
        position = None if hint is None else follow(group, hint)
        if position is None:
            position = replay(group, hint)
        return cls(group, position, hint or Position.of_empty())

    @property
    def position(self) -> Position:
        """Where the journal ends; kept elsewhere, it is the hint for the next `open`."""
        return self._position

    @property
    def size(self) -> int:
        """How many entries there are; also the number of the next."""
        return self._position.size

    @property
    def frontier(self) -> Frontier:
        return Frontier.from_bytes(self._position.frontier)

    def root(self) -> bytes:
        """Return the root hash of the tree over all entries (RFC 9162 §2.1.1)."""
        return self.frontier.root()

    def close(self) -> None:
        self._replicas.close()

    def read(self, from_seq: int = 0, *, is_form_known: bool = False) -> Iterator[Entry]:
        """Yield the entries from `from_seq` to the end as it is now. Raises as `read_entries` does.

        `is_form_known`: for who compares the hashes of all lines with a root; twice as quick.
        """
        return read_entries(self._replicas, from_seq, self.size, self._anchor, is_form_known=is_form_known)

    def leaves(self, from_seq: int = 0) -> Iterator[list[bytes]]:
        """Yield the leaf hashes of the entries from `from_seq` to the end as it is now. Raises as `read`."""
        return read_leaves(self._replicas, from_seq, self.size, self._anchor)

    def line(self, seq: int, leaf: bytes) -> bytes | None:
        """Return the line of an entry whose leaf hash is known, at once; None when that is not so easy (`read`)."""
        if self._starts.size != self.size:
            self._starts = _Starts(self.size, sorted(list_starts(self._replicas)))
        at = bisect_right(self._starts.firsts, seq) - 1
        return None if at < 0 else read_line(self._replicas, self._starts.firsts[at], seq, leaf)

    def refresh(self) -> int:
        """Notice what others appended since; return how many entries that is. Cheap when it is none.

        Raises as `open` does.
        """
        before = self._position
        self._in_step = None
        sizes = require_one(self._replicas.each(lambda replica: _sizes(replica, before))).done
        if all(size == _known_sizes(before) for size in sizes.values()):
            if len(sizes) >= self._replicas.minimum and not self._replicas.owing:
                self._in_step = frozenset(sizes)
            return 0
        self._position = follow(self._replicas, before) or replay(self._replicas, before)
        return self.size - before.size

    def append(self, entries: Sequence[NewEntry]) -> list[Envelope]:
        """Append a group of entries durably and return their envelopes.

        Raises ValueError for an entry that is not in the journal's form; LockedError when somebody else appended since
        this journal was read (`refresh`, then try again); VolumeUnavailableError or VolumeFullError when fewer than the
        minimum of replicas took it: then nothing counts. If even taking back failed, because a volume is gone, the
        entries may be found to count after all when it returns.
        """
        if not entries:
            return []
        position = self._position
        if self._is_full():
            position, self._in_step = position.at_next_segment(), None
        in_step = self._in_step if self._in_step is not None else self._settle(position)
        written = write_entries(entries, position.size, position.end.link)
        self._in_step = None
        try:
            outcome = self._replicas.append(_parts(position, written), only=in_step)
        except StorageError as error:
            self._refuse_stale(position, error)
            raise
        self._position = _after(position, written)
        if not outcome.failed and len(in_step) == len(self._replicas.names):
            self._in_step = in_step
        return [entry.envelope for entry in written]

    def settle(self) -> None:
        """Bring the last segment of every reachable replica in step.

        After this, what the journal shows is durable on at least the minimum of replicas: whoever may write and is
        about to act on entries read after a start calls it first. Earlier segments of a replica that was away are left
        to `heal`. Raises VolumeUnavailableError or VolumeFullError when too few are in step, LockedError and
        JournalBrokenError as `append` and `open` do.
        """
        self._in_step = self._settle(self._position)

    def verify(self, sizes: Collection[int] = ()) -> JournalReport:
        """Read every replica and say what is wrong where; the report has the roots at these sizes.

        Raises VolumeUnavailableError when none answers.
        """
        return verify_replicas(self._replicas, self._position, sizes)

    def heal(self) -> list[JournalRepair]:
        """Make every reachable replica equal to what counts; for whoever may append.

        Raises JournalBrokenError when an entry is whole on no replica.
        """
        self._in_step = None
        return heal_replicas(self._replicas)

    def _is_full(self) -> bool:
        end = self._position.end
        return (
            end.payloads_bytes >= self.segment_payloads_bytes
            or end.envelopes_bytes >= self.segment_envelopes_bytes
        )

    def _settle(self, position: Position) -> frozenset[str]:
        """Return the names of the replicas whose last segment is in step, after bringing them there."""
        owing = self._replicas.take_back_owed()
        sizes = self._replicas.each(lambda replica: _sizes(replica, position))
        failed = dict(sizes.failed)
        if any(following for *_, following in sizes.done.values()):
            raise _stale()
        in_step = {name for name, size in sizes.done.items() if size == _known_sizes(position)}
        if len(in_step) < len(sizes.done):
            in_step = self._bring_in_step(position, failed)
        in_step -= owing
        if len(in_step) < self._replicas.minimum:
            raise self._replicas.too_few(failed, len(in_step), "are in step with the journal")
        return frozenset(in_step)

    def _bring_in_step(self, position: Position, failed: dict[str, RetentionError]) -> set[str]:
        read = read_segment(self._replicas, position.segment.seq, Cursor())
        merged = merge(read.done, position.segment)
        if merged.end.seq > position.size:
            raise _stale()
        state = SegmentState(position.segment, read.done, read.failed, merged)
        if merged.end != position.end:
            raise missing(merged.end.seq, position.size)
        if lost := lost_from(state, ()):
            raise lost
        healed = heal_segment(self._replicas, state)
        failed.update(read.failed | healed.failed)
        return set(read.done) - set(healed.failed)

    def _refuse_stale(self, position: Position, error: StorageError) -> None:
        others = set(self._replicas.names) - self._replicas.owing
        sizes = self._replicas.each(lambda replica: _sizes(replica, position), others)
        if any(lines > position.end.envelopes_bytes or more for lines, _, more in sizes.done.values()):
            raise _stale() from error


def _sizes(replica: Replica, position: Position) -> tuple[int, int, int]:
    """Return the sizes of the last segment's two files, and of the lines of a segment that would follow it."""
    first, following = position.segment.seq, position.size
    lines, frames = replica.size(envelopes_key(first)) or 0, replica.size(payloads_key(first)) or 0
    return lines, frames, 0 if following == first else replica.size(envelopes_key(following)) or 0


def _known_sizes(position: Position) -> tuple[int, int, int]:
    return position.end.envelopes_bytes, position.end.payloads_bytes, 0


def _parts(position: Position, written: Sequence[Written]) -> list[Part]:
    """Frames first: a line never lies anywhere without its frame."""
    first, end = position.segment.seq, position.end
    frames = b"".join(entry.frame for entry in written)
    lines = b"".join(entry.line + b"\n" for entry in written)
    return [
        Part(payloads_key(first), frames, end.payloads_bytes),
        Part(envelopes_key(first), lines, end.envelopes_bytes),
    ]


def _after(position: Position, written: Sequence[Written]) -> Position:
    tree = Frontier.from_bytes(position.frontier)
    tree.extend(entry.leaf for entry in written)
    end = Cursor(
        position.size + len(written),
        written[-1].leaf[:LINK_BYTES],
        position.end.envelopes_bytes + sum(len(entry.line) + 1 for entry in written),
        position.end.payloads_bytes + sum(len(entry.frame) for entry in written),
    )
    return Position(position.segment, end, tree.to_bytes())


def _stale() -> LockedError:
    return LockedError(
        "somebody else has appended to the journal since it was read",
        hint="another process works on this archive: try again",
    )
