"""Reading entries in order. Each is proven as it is read; where one replica fails, the others are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from retention.journal.envelope import (
    FRAME_BYTES,
    FRAME_HEAD,
    MAX_LINE_BYTES,
    SALT_BYTES,
    Entry,
    parse_line,
)
from retention.journal.merkle import leaf_hash
from retention.journal.position import Position
from retention.journal.segment import (
    Cursor,
    Merged,
    envelopes_key,
    link_of_first,
    merge,
    scan,
    seq_of,
)
from retention.journal.survey import list_starts, missing, read_pair, read_segment
from retention.model.errors import JournalBrokenError, StorageError
from retention.model.replica import Replica, ReplicaSet

SEEK_BYTES = 1 << 14
"""Smaller than this, what is left of a segment is looked through."""


def read_entries(
    replicas: ReplicaSet, from_seq: int, size: int, anchor: Position, *, is_form_known: bool = False
) -> Iterator[Entry]:
    """Yield the entries from `from_seq` up to `size` (not included), with one segment in memory at a time.

    `is_form_known`: as `parse_line` has it. Raises as `read_segments`.
    """
    for first, segment in read_segments(replicas, from_seq, size, anchor):
        yield from _entries(segment, first, from_seq, size, is_form_known=is_form_known)


def read_leaves(replicas: ReplicaSet, from_seq: int, size: int, anchor: Position) -> Iterator[list[bytes]]:
    """Yield the leaf hashes of the entries from `from_seq` up to `size`, a list for each segment; much quicker.

    Raises as `read_segments`.
    """
    for first, segment in read_segments(replicas, from_seq, size, anchor):
        yield segment.leaves[max(from_seq - first, 0) : size - first]


def read_segments(
    replicas: ReplicaSet, from_seq: int, size: int, anchor: Position
) -> Iterator[tuple[int, Merged]]:
    """Yield what counts of each segment that has entries from `from_seq` up to `size`, and its first number.

    `anchor` is a place where the journal ended once: reading from there on needs nothing before it. Raises
    JournalBrokenError where an entry is whole on no replica, VolumeUnavailableError when no replica answers.
    """
    if from_seq >= size:
        return
    starts = list_starts(replicas)

    def is_complete(seq: int) -> bool:
        return seq >= size or seq in starts

    if anchor.size <= from_seq and anchor.end.envelopes_bytes and anchor.size not in starts:
        seq, segment = anchor.size, _read(replicas, anchor.segment.seq, anchor.end, is_complete)
    else:
        seq, segment = _find(replicas, from_seq, sorted(starts), is_complete)
    while segment.end.seq > seq:
        yield seq, segment
        seq = segment.end.seq
        if seq >= size:
            return
        segment = _read(replicas, seq, segment.end.at_segment_start(), is_complete)
    raise missing(seq, size)


def read_line(replicas: ReplicaSet, first: int, seq: int, leaf: bytes) -> bytes | None:
    """Return the line (without newline) of entry `seq` whose leaf hash is `leaf`, reading little; None: look closer.

    `first` is the first entry of its segment. That it is the line is proven by the hash: one replica's word is enough.
    """
    for replica in replicas.replicas:
        try:
            line = seek_line(replica, first, seq)
        except StorageError:
            continue
        if line is not None and leaf_hash(line) == leaf:
            return line
    return None


def seek_line(replica: Replica, first: int, seq: int) -> bytes | None:
    """Look for the line of entry `seq` in the segment that begins with entry `first`, by halves."""
    key = envelopes_key(first)
    low, high = 0, replica.size(key) or 0  # the line begins at `low` or later, and before `high`
    while high - low > SEEK_BYTES:
        middle = (low + high) // 2
        window = replica.read(key, middle, SEEK_BYTES)
        starts = window.find(b"\n") + 1
        number = seq_of(window[starts:].partition(b"\n")[0]) if starts else None
        if number is None:
            break
        if number <= seq:
            low = middle + starts
        else:
            high = middle + starts
    for line in replica.read(key, low, high - low + MAX_LINE_BYTES).split(b"\n"):
        if seq_of(line) == seq:
            return line
    return None


def _find(
    replicas: ReplicaSet, seq: int, starts: list[int], is_complete: Callable[[int], bool]
) -> tuple[int, Merged]:
    """Return the segment that holds entry `seq`, and its first number."""
    for first in reversed([start for start in starts if start <= seq]):
        segment = _read(replicas, first, None, is_complete)
        if segment.end.seq > seq:
            return first, segment
    raise missing(seq, seq + 1)


def _read(
    replicas: ReplicaSet, first: int, start: Cursor | None, is_complete: Callable[[int], bool]
) -> Merged:
    """Return what counts of a segment from `start` on (None: from its beginning, taking its word for what was before).

    The first replica that has all of it is enough; if none has, they are put together.
    """
    for replica in replicas.replicas:
        try:
            pair = read_pair(replica, first, start or Cursor())
        except StorageError:
            continue
        leaves: list[bytes] = []
        end = scan(pair, start.at_segment_start() if start else Cursor(first, link_of_first(pair)), leaves)
        if leaves and is_complete(end.seq):
            return Merged(pair, end, leaves)
    found = read_segment(replicas, first, start or Cursor()).done
    if start:
        return merge(found, start.at_segment_start())
    links = {link_of_first(pair) for pair in found.values()}
    return max((merge(found, Cursor(first, link)) for link in links), key=lambda merged: merged.end.seq)


def _entries(
    segment: Merged, first: int, from_seq: int, size: int, *, is_form_known: bool
) -> Iterator[Entry]:
    lines = segment.pair.envelopes[: segment.end.envelopes_bytes].split(b"\n")[:-1]
    payloads, frame_at = segment.pair.payloads, 0
    for seq, line in enumerate(lines, first):
        if seq >= size:
            return
        payload_at = frame_at + FRAME_HEAD.size + SALT_BYTES
        payload_bytes = FRAME_HEAD.unpack_from(payloads, frame_at)[1]
        frame_at += FRAME_BYTES + payload_bytes
        if seq < from_seq:
            continue
        try:
            envelope = parse_line(line, is_form_known=is_form_known)
        except ValueError as error:
            raise JournalBrokenError(
                f"journal entry {seq} was not written in the journal's form: {error}",
                hint="retention journal verify",
                seq=seq,
                replicas=[],
            ) from error
        payload = None if envelope.payload is None else payloads[payload_at : payload_at + payload_bytes]
        yield Entry(envelope, line, payload)
