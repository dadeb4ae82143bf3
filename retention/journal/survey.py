"""What all replicas together have of the journal, segment by segment, each read once and never held whole.

Reading is where "the longest valid prefix wins" is decided. It never writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from retention.journal.envelope import LINK_BYTES
from retention.journal.merkle import Frontier
from retention.journal.position import GrowingTree, Position
from retention.journal.segment import (
    PREFIX,
    Cursor,
    Merged,
    Pair,
    envelopes_key,
    has_more,
    merge,
    payloads_key,
    segment_starts,
)
from retention.model.errors import (
    JournalBrokenError,
    ObjectNotFoundError,
    RetentionError,
    VolumeUnavailableError,
)
from retention.model.replica import Outcome, Replica, ReplicaSet, read_if_there

_T = TypeVar("_T")


@dataclass(slots=True)
class SegmentState:
    """One segment: where it starts, what each reachable replica has of it, and what counts of that."""

    start: Cursor
    found: Mapping[str, Pair]
    failed: Mapping[str, RetentionError]
    merged: Merged


def read_pair(replica: Replica, first: int, offsets: Cursor) -> Pair:
    """Read both files of a segment, from the offsets on; an absent file is empty."""
    # Lines before frames: a frame is durable before its line, so every line read has its frame by then, even when
    # somebody is appending.
    lines = read_if_there(replica, envelopes_key(first), offsets.envelopes_bytes)
    frames = read_if_there(replica, payloads_key(first), offsets.payloads_bytes)
    return Pair(lines or b"", frames or b"")


def read_segment(replicas: ReplicaSet, first: int, offsets: Cursor) -> Outcome[Pair]:
    """Read both files of a segment, from the offsets on, from every replica.

    Raises VolumeUnavailableError when none answers.
    """
    return _begin_reading(replicas, first, offsets)()


def _begin_reading(replicas: ReplicaSet, first: int, offsets: Cursor) -> Callable[[], Outcome[Pair]]:
    read = replicas.begin(lambda replica: read_pair(replica, first, offsets))
    return lambda: _shared(require_one(read()))


def _shared(read: Outcome[Pair]) -> Outcome[Pair]:
    """Let replicas with equal files share one copy in memory."""
    contents: list[bytes] = []

    def share(content: bytes) -> bytes:
        for known in contents:
            if known == content:
                return known
        contents.append(content)
        return content

    for name, pair in read.done.items():
        read.done[name] = Pair(share(pair.envelopes), share(pair.payloads))
    return read


def list_starts(replicas: ReplicaSet) -> dict[int, list[str]]:
    """Return the first numbers of all segments, each with the replicas that have a file of it.

    Raises VolumeUnavailableError when no replica answers.
    """
    listed = require_one(replicas.each(lambda replica: segment_starts(replica.list(PREFIX))))
    starts: dict[int, list[str]] = {}
    for name, firsts in listed.done.items():
        for first in firsts:
            starts.setdefault(first, []).append(name)
    return starts


def walk(replicas: ReplicaSet, starts: Collection[int]) -> Iterator[SegmentState]:
    """Go through the journal from its first entry to its last that counts.

    `starts` is what `list_starts` gave. While one segment is looked at, the next is read. Raises JournalBrokenError for
    a contradiction between replicas.
    """
    cursor = Cursor()
    followers = dict(pairwise(sorted(starts)))
    reading: dict[int, Callable[[], Outcome[Pair]]] = {}
    while cursor.seq in starts:
        read = reading.pop(cursor.seq, None) or _begin_reading(replicas, cursor.seq, Cursor())
        found = read()
        following = followers.get(cursor.seq)
        reading = {} if following is None else {following: _begin_reading(replicas, following, Cursor())}
        merged = merge(found.done, cursor)
        yield SegmentState(cursor, found.done, found.failed, merged)
        if merged.end.seq == cursor.seq:
            return
        cursor = merged.end.at_segment_start()


def lost_from(last: SegmentState | None, starts: Iterable[int]) -> JournalBrokenError | None:
    """Return the error that says which entries after the last one that counts are damaged or missing; None if none.

    `last` is the last segment that `walk` gave, None when it gave none.
    """
    if last is None:
        return missing(0, max(1, min(starts, default=1)))
    seq = last.merged.end.seq
    if damaged := _with_more(last.found, last.merged, last.found.keys()):
        return _damaged(seq, damaged)
    later = [start for start in starts if start > seq]
    return missing(seq, min(later)) if later else None


def replay(replicas: ReplicaSet, known: Position | None) -> Position:
    """Read all envelopes and return where the journal ends.

    Raises JournalBrokenError when there is no journal, when it is not whole, or when it does not continue `known`.
    """
    starts, tree = list_starts(replicas), GrowingTree(known)
    last: SegmentState | None = None
    for last in walk(replicas, starts):
        tree.extend(last.merged.leaves)
    lost = lost_from(last, starts)
    if lost is not None or last is None:
        raise lost or missing(0, 1)
    end = last.merged.end
    if known is not None and end.seq < known.size:
        raise missing(end.seq, known.size)
    if not tree.continues_known:
        raise JournalBrokenError(
            "the journal on the volumes is not the one known here: its entries were rewritten",
            hint="find out who changed it; retention journal verify --trust compares it with seals kept elsewhere",
            seq=0,
            replicas=[],
        )
    return Position(last.start, end, tree.frontier.to_bytes())


def follow(replicas: ReplicaSet, position: Position) -> Position | None:
    """Return where the journal ends now, given where it ended once; None when no replica confirms that.

    Reads only what came since. Raises JournalBrokenError as `replay` does.
    """
    if not position.end.payloads_bytes:
        return None
    confirmed = require_one(replicas.each(lambda replica: _confirms(replica, position)))
    aligned = {name for name, confirms in confirmed.done.items() if confirms}
    if not aligned:
        return None
    tree = Frontier.from_bytes(position.frontier)
    while True:
        read = read_segment(replicas, position.segment.seq, position.end)
        merged = merge(read.done, position.end.at_segment_start())
        tree.extend(merged.leaves)
        position = Position(position.segment, merged.end.beyond(position.end), tree.to_bytes())
        if not position.end.envelopes_bytes or not _has_segment(replicas, position.size):
            break
        position, aligned = position.at_next_segment(), set(replicas.names)
    if damaged := _with_more(read.done, merged, aligned):
        raise _damaged(position.size, damaged)
    return position


def require_one(outcome: Outcome[_T]) -> Outcome[_T]:
    """Return `outcome` if any replica answered. Raises VolumeUnavailableError."""
    if outcome.done:
        return outcome
    reasons = "; ".join(f"{name}: {error.message}" for name, error in outcome.failed.items())
    raise VolumeUnavailableError(
        f"no replica of the journal can be read ({reasons})",
        hint="bring back one of these volumes: retention volume check",
        replicas=sorted(outcome.failed),
    )


def missing(first: int, end: int) -> JournalBrokenError:
    """Return the error that says that entries `first` up to `end` (not included) are nowhere."""
    return JournalBrokenError(
        f"journal entries {first} to {end - 1} are missing on every replica that can be reached",
        hint="bring back a volume that was there when they were written: retention volume check",
        seq=first,
        replicas=[],
    )


def _confirms(replica: Replica, position: Position) -> bool:
    """Whether this replica's segment has a line and the frame of our last entry (which links to all before) there."""
    first, end = position.segment.seq, position.end
    try:
        newline = replica.read(envelopes_key(first), end.envelopes_bytes - 1, 1)
        link = replica.read(payloads_key(first), end.payloads_bytes - LINK_BYTES, LINK_BYTES)
    except ObjectNotFoundError:
        return False
    return newline == b"\n" and link == end.link


def _has_segment(replicas: ReplicaSet, first: int) -> bool:
    sizes = replicas.each(lambda replica: replica.size(envelopes_key(first)))
    return any(size for size in sizes.done.values())


def _with_more(found: Mapping[str, Pair], merged: Merged, aligned: AbstractSet[str]) -> list[str]:
    """Return the replicas that have a further entry, which does not count and was not merely cut short.

    `aligned` are those known to be right up to where `found` begins.
    """
    counts, end = merged.pair.envelopes, merged.end
    return [
        name
        for name, pair in found.items()
        if has_more(
            pair.envelopes[len(counts) :],
            end.seq,
            aligned=name in aligned and pair.envelopes.startswith(counts),
        )
    ]


def _damaged(seq: int, names: list[str]) -> JournalBrokenError:
    return JournalBrokenError(
        f"journal entry {seq} is damaged on every replica that has it ({', '.join(names)})",
        hint="bring back another volume that was there when it was written: retention volume check",
        seq=seq,
        replicas=names,
    )
