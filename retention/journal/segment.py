"""A segment: the lines and frames of consecutive entries in two files (docs/journal.md §3). Pure functions of bytes.

`scan` says how far one pair of files counts; `merge` puts one whole pair together from what several replicas have,
entry by entry, and never by guessing: bytes are taken only where they prove themselves, and two different entries that
both prove themselves at one place are a contradiction that stops everything.
"""

from __future__ import annotations

import hashlib
import re
from binascii import hexlify
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from blake3 import blake3

from retention.journal.envelope import (
    FIRST_LINK,
    FRAME_BYTES,
    FRAME_HEAD,
    LINK_BYTES,
    SALT_BYTES,
)
from retention.model.errors import JournalBrokenError

PREFIX = "journal/"
ENVELOPES = ".envelopes"
PAYLOADS = ".payloads"

# The end of a line. Its members are written in this order and a quotation mark inside a text is escaped, so the last
# `,"payload":` of a line is the envelope's own member.
_TAIL_START = b',"payload":'
_TAIL = re.compile(
    rb',"payload":(?:null|\{"bytes":([0-9]{1,10}),"digest":"([0-9a-f]{64})","key":(?:null|"[0-9a-f]{32}")\})'
    rb',"prev":"([0-9a-f]{32})","seq":([0-9]{1,16}),"v":1\}\Z'
)
# The same, as it must be for a given frame.
_NO_PAYLOAD = b',"payload":null,"prev":"%s","seq":%d,"v":1}'
_BEFORE_KEY = b',"payload":{"bytes":%d,"digest":"%s","key":'
_AFTER_KEY = b'},"prev":"%s","seq":%d,"v":1}'
_KEY = re.compile(rb'null|"[0-9a-f]{32}"').fullmatch
_NAME = re.compile(r"journal/([0-9]{12})\.(?:envelopes|payloads)\Z")
_NO_SALT = bytes(SALT_BYTES)


def envelopes_key(first: int) -> str:
    """Return the key of the lines of the segment whose first entry is `first`."""
    return f"{PREFIX}{first:012d}{ENVELOPES}"


def payloads_key(first: int) -> str:
    """Return the key of the frames of the segment whose first entry is `first`."""
    return f"{PREFIX}{first:012d}{PAYLOADS}"


def segment_starts(keys: Iterable[str]) -> set[int]:
    """Return the first sequence numbers of the segments that `keys` belong to."""
    return {int(match[1]) for match in map(_NAME.match, keys) if match}


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two entries: the next number, the link it must carry, and where its line and frame start."""

    seq: int = 0
    link: bytes = FIRST_LINK
    envelopes_bytes: int = 0
    payloads_bytes: int = 0

    def at_segment_start(self) -> Cursor:
        return Cursor(self.seq, self.link)

    def beyond(self, start: Cursor) -> Cursor:
        """The same place, where offsets counted from `start` are counted from the beginning of the segment."""
        return Cursor(
            self.seq,
            self.link,
            start.envelopes_bytes + self.envelopes_bytes,
            start.payloads_bytes + self.payloads_bytes,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """The two files of a segment (or their ends from some place on); an absent file is empty."""

    envelopes: bytes
    payloads: bytes


def scan(pair: Pair, start: Cursor, leaves: list[bytes]) -> Cursor:
    """Return how far entries count, from `start` on, and add their leaf hashes to `leaves`.

    The offsets in `start` are places in `pair`. The loop is the speed of verification: it looks at bytes only, and
    makes from each frame the end that its line must have.
    """
    lines, frames = pair.envelopes, pair.payloads
    seq, link, line_at, frame_at = start.seq, start.link, start.envelopes_bytes, start.payloads_bytes
    sha256, find, head, frames_end = hashlib.sha256, lines.find, FRAME_HEAD.unpack_from, len(frames)
    while (line_end := find(b"\n", line_at)) >= 0 and frame_at + FRAME_BYTES <= frames_end:
        line = lines[line_at:line_end]
        number, payload_bytes = head(frames, frame_at)
        frame_end = frame_at + FRAME_BYTES + payload_bytes
        if number != seq or frame_end > frames_end:
            break
        leaf = sha256(b"\x00" + line).digest()
        link_after = leaf[:LINK_BYTES]
        salted = frames[frame_at + FRAME_HEAD.size : frame_end - LINK_BYTES]
        if frames[frame_end - LINK_BYTES : frame_end] != link_after:
            break
        tail, prev = line[max(line.rfind(_TAIL_START), 0) :], hexlify(link)
        if salted == _NO_SALT and tail == _NO_PAYLOAD % (prev, seq):
            pass
        elif not _tells_of(tail, salted, _AFTER_KEY % (prev, seq)):
            break
        leaves.append(leaf)
        seq, link, line_at, frame_at = seq + 1, link_after, line_end + 1, frame_end
    return Cursor(seq, link, line_at, frame_at)


def _tells_of(tail: bytes, salted: bytes, after_key: bytes) -> bool:
    """Whether the end of a line names this payload (with its salt), under a key or none, and ends in `after_key`."""
    before_key = _BEFORE_KEY % (len(salted) - SALT_BYTES, blake3(salted).hexdigest().encode())
    return (
        tail.startswith(before_key)
        and tail.endswith(after_key)
        and _KEY(tail, len(before_key), len(tail) - len(after_key)) is not None
    )


def seq_of(line: bytes) -> int | None:
    """Return the number that a line says it has, None when it is no line."""
    match = _TAIL.search(line, max(line.rfind(_TAIL_START), 0))
    return int(match[4]) if match else None


def link_of_first(pair: Pair) -> bytes:
    """Return the link that the first line carries, as it says itself; zeros when it cannot be read."""
    line = pair.envelopes.partition(b"\n")[0]
    match = _TAIL.search(line)
    return bytes.fromhex(match[3].decode()) if match else FIRST_LINK


@dataclass(slots=True)
class Merged:
    """What several replicas have of a segment, put together: the longest that counts, and where it ends."""

    pair: Pair
    end: Cursor
    leaves: list[bytes]


def merge(found: Mapping[str, Pair], start: Cursor) -> Merged:
    """Put together what counts, from `start` on, of what each replica (by name) has of one segment.

    Lines may come from one replica and frames from another. Raises JournalBrokenError when two replicas have different
    entries with one number and both count; its context has `seq` and `replicas`.
    """
    lines = _distinct(pair.envelopes for pair in found.values())
    frames = _distinct(pair.payloads for pair in found.values())
    forms = [Pair(envelopes, payloads) for envelopes, payloads in product(lines, frames)]
    pieces: list[Pair] = []
    leaves: list[bytes] = []
    end = start
    while run := _longest_run(forms, end, found):
        pieces.append(_cut(run.pair, end, run.end))
        leaves += run.leaves
        end = run.end
        if len(forms) == 1:
            break
    pair = Pair(b"".join(piece.envelopes for piece in pieces), b"".join(piece.payloads for piece in pieces))
    return Merged(pair, end, leaves)


def has_more(rest: bytes, seq: int, *, aligned: bool) -> bool:
    """Whether `rest`, which follows the last line that counts, holds entry `seq` or later, damaged.

    An append that was cut short is no entry: its line has no newline, or a hole of zeros (docs/journal.md §3.3). If it
    is not sure that `rest` begins where a line begins (`aligned`), a line must carry such a number to be one.
    """
    lines = rest.split(b"\n")[:-1]
    if aligned:
        return bool(lines) and b"\0" not in lines[0]
    return any(match and int(match[4]) >= seq for match in map(_TAIL.search, lines))


def _longest_run(forms: Sequence[Pair], start: Cursor, found: Mapping[str, Pair]) -> Merged | None:
    best: Merged | None = None
    for form in forms:
        leaves: list[bytes] = []
        end = scan(form, start, leaves)
        if best is not None:
            for seq, (one, other) in enumerate(zip(best.leaves, leaves, strict=False), start.seq):
                if one != other:
                    raise _contradiction(seq, best.pair, form, found)
        if leaves and (best is None or end.seq > best.end.seq):
            best = Merged(form, end, leaves)
    return best


def _contradiction(seq: int, one: Pair, other: Pair, found: Mapping[str, Pair]) -> JournalBrokenError:
    sides = [
        [name for name, pair in found.items() if pair.envelopes == form.envelopes] for form in (one, other)
    ]
    return JournalBrokenError(
        f"journal entry {seq} of {', '.join(sides[0])} is another than that of {', '.join(sides[1])}",
        hint="find out which is right and empty the journal folder of the other; it is filled again from the first",
        seq=seq,
        replicas=sides,
    )


def _distinct(contents: Iterable[bytes]) -> list[bytes]:
    distinct: list[bytes] = []
    for content in contents:
        if content not in distinct:
            distinct.append(content)
    return distinct


def _cut(pair: Pair, start: Cursor, end: Cursor) -> Pair:
    return Pair(
        pair.envelopes[start.envelopes_bytes : end.envelopes_bytes],
        pair.payloads[start.payloads_bytes : end.payloads_bytes],
    )
