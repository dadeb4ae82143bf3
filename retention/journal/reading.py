"""Reading entries in order. Each is proven as it is read; where one replica fails, the others are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from retention.journal.envelope import FRAME_BYTES, FRAME_HEAD, SALT_BYTES, Entry, parse_line
from retention.journal.position import Position
from retention.journal.segment import Cursor, Merged, link_of_first, merge, scan
from retention.journal.survey import list_starts, missing, read_pair, read_segment
from retention.model.errors import JournalBrokenError, StorageError
from retention.model.replica import ReplicaSet


def read_entries(replicas: ReplicaSet, from_seq: int, size: int, anchor: Position) -> Iterator[Entry]:
    """Yield the entries from `from_seq` up to `size` (not included), with one segment in memory at a time.

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
        yield from _entries(segment, seq, from_seq, size)
        seq = segment.end.seq
        if seq >= size:
            return
        segment = _read(replicas, seq, segment.end.at_segment_start(), is_complete)
    raise missing(seq, size)


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


def _entries(segment: Merged, first: int, from_seq: int, size: int) -> Iterator[Entry]:
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
            envelope = parse_line(line)
        except ValueError as error:
            raise JournalBrokenError(
                f"journal entry {seq} was not written in the journal's form: {error}",
                hint="retention journal verify",
                seq=seq,
                replicas=[],
            ) from error
        payload = None if envelope.payload is None else payloads[payload_at : payload_at + payload_bytes]
        yield Entry(envelope, line, payload)
