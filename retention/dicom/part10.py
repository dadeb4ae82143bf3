"""Where a data set starts in a file, and what its file meta says (PS3.10 §7).

Looked for in this order: behind DICM where it belongs; at what looks like file meta elsewhere in the first KiB; at the
very beginning; and, where there is DICM, at what looks like the data set itself. DICM is a claim to be DICOM: what
makes it is never passed over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from retention.dicom.elements import Encoding, looks_like_vr
from retention.dicom.facts import uid_of
from retention.dicom.limits import Budget
from retention.dicom.source import Window
from retention.dicom.tags import (
    AFTER_COMMANDS,
    AFTER_META,
    META_GROUP_LENGTH,
    META_SOP_CLASS_UID,
    TRANSFER_SYNTAX_UID,
)
from retention.dicom.walker import Walker
from retention.model.errors import InvalidDicomError

_PREAMBLE_BYTES = 128
_PREFIX = b"DICM"
_AFTER_PREFIX = _PREAMBLE_BYTES + len(_PREFIX)
_SEARCHED_BYTES = 1024
_FIRST_OF_META = re.compile(rb"\x02\x00[\x00\x01\x02\x03\x10]\x00(?:UL|OB|UI)")
_FIRST_OF_DATASET = re.compile(rb"\x08\x00[\x00-\x20]\x00(?:UL|CS|DA|TM|UI|SH)")
_COMMAND_GROUP = b"\0\0"
_FIRST_GROUPS = frozenset({0x0000, 0x0002, 0x0004, 0x0008})
_GROUP_LENGTH_ELEMENT_BYTES = 12


@dataclass(frozen=True, slots=True)
class Start:
    """Where file meta, or a data set without it, may start. `is_claimed`: DICM stands before it."""

    offset: int
    is_claimed: bool


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What group 0002 says.

    `dataset_offsets` are where the data set may start: behind the last element, or where the group's length says.
    `stop` is the error that ended the reading of it, if one did.
    """

    dataset_offsets: tuple[int, ...]
    sop_class_uid: str | None
    transfer_syntax_uid: str | None
    stop: InvalidDicomError | None


def starts_of(window: Window) -> Iterator[Start]:
    """Yield the places to try, best first; none if nothing looks like DICOM."""
    head = window.peek(0, _SEARCHED_BYTES)
    has_prefix = head[_PREAMBLE_BYTES:_AFTER_PREFIX] == _PREFIX
    if has_prefix:
        yield Start(_AFTER_PREFIX, is_claimed=True)
    meta = _FIRST_OF_META.search(head)
    if meta and not (has_prefix and meta.start() == _AFTER_PREFIX):
        yield Start(meta.start(), is_claimed=_PREFIX in head[: meta.start()])
    looks_bare = any(int.from_bytes(head[:2], order) in _FIRST_GROUPS for order in ("little", "big"))
    if looks_bare and len(head) >= 2 and not has_prefix and not (meta and not meta.start()):
        yield Start(0, is_claimed=False)
    dataset = _FIRST_OF_DATASET.search(head, _AFTER_PREFIX)
    if has_prefix and dataset:  # the file meta before it may be past reading
        yield Start(dataset.start(), is_claimed=True)


def read_meta(window: Window, budget: Budget, start: Start) -> FileMeta:
    """Read group 0002, which may be missing, behind a command set (group 0000), which should not be there."""
    position = _after_commands(window, budget, start.offset)
    walker, stop = _walk(window, budget, position, AFTER_META)
    ends = [] if stop else [walker.position]
    length = walker.values.get(META_GROUP_LENGTH, b"")
    if len(length) == 4:
        ends.append(position + _GROUP_LENGTH_ELEMENT_BYTES + int.from_bytes(length, "little"))
    return FileMeta(
        dataset_offsets=tuple(dict.fromkeys(end for end in ends if end < window.size_bytes)),
        sop_class_uid=uid_of(walker.values, META_SOP_CLASS_UID),
        transfer_syntax_uid=uid_of(walker.values, TRANSFER_SYNTAX_UID),
        stop=stop,
    )


def _after_commands(window: Window, budget: Budget, position: int) -> int:
    if window.peek(position, 2) != _COMMAND_GROUP:
        return position
    walker, stop = _walk(window, budget, position, AFTER_COMMANDS)
    return position if stop else walker.position


def _walk(
    window: Window, budget: Budget, position: int, until: range
) -> tuple[Walker, InvalidDicomError | None]:
    is_implicit = not looks_like_vr(window.peek(position, 8)[4:6])
    walker = Walker(window, budget, Encoding(is_implicit, is_big_endian=False))
    try:
        walker.walk(position, until=until)
    except InvalidDicomError as stop:
        return walker, stop
    return walker, None
