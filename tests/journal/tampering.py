"""Every way in which somebody may change a field of a stored entry, for the tests of what is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from retention.journal.envelope import FIRST_LINK, FRAME_BYTES, FRAME_HEAD, LINK_BYTES
from retention.journal.merkle import leaf_hash
from retention.model.canonical import canonical_json

Members = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One change to one field of one entry."""

    name: str
    seq: int
    lines: Sequence[bytes]


def fields(members: Members, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field of an entry, and every field in one of its fields."""
    for name, value in members.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from fields(value, (*path, name))


def edited(value: Any) -> Any:
    if value is None:
        return "0" * 32
    if isinstance(value, bool | int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    return {**value, "more": "00" * 16}


def truncated(value: Any) -> Any:
    if isinstance(value, str):
        return value[:-1]
    return {} if isinstance(value, dict) else None


def changes(lines: Sequence[bytes], seq: int) -> Iterator[Change]:
    """Edit, remove, truncate and exchange (with the entry after it, or before) each field of entry `seq`."""
    other = seq + 1 if seq + 1 < len(lines) else seq - 1
    for path in fields(json.loads(lines[seq])):
        for how, change in (("edited", edited), ("truncated", truncated), ("removed", None)):
            yield from _changed(lines, seq, f"{'.'.join(path)} {how}", at(path, change), {})
        theirs = value_at(json.loads(lines[other]), path)
        mine = value_at(json.loads(lines[seq]), path)
        if theirs is not None and mine is not None:
            yield from _changed(
                lines, seq, f"{'.'.join(path)} exchanged", at(path, _to(theirs)), {other: at(path, _to(mine))}
            )


def _to(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def _changed(
    lines: Sequence[bytes],
    seq: int,
    name: str,
    change: Callable[[Members], None],
    others: dict[int, Callable[[Members], None]],
) -> Iterator[Change]:
    result = list(lines)
    for number, one in {seq: change, **others}.items():
        members = json.loads(lines[number])
        one(members)
        result[number] = canonical_json(members)
    if result != list(lines):
        first = min(number for number in range(len(lines)) if result[number] != lines[number])
        yield Change(name, first, result)


def at(path: tuple[str, ...], change: Callable[[Any], Any] | None) -> Callable[[Members], None]:
    """Return what changes the field at `path`; None removes it."""

    def apply(members: Members) -> None:
        for name in path[:-1]:
            members = members[name]
        if change is None:
            del members[path[-1]]
        else:
            members[path[-1]] = change(members[path[-1]])

    return apply


def value_at(members: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(members, dict) or name not in members:
            return None
        members = members[name]
    return members


def split_frames(frames: bytes) -> list[bytes]:
    found, start = [], 0
    while start < len(frames):
        end = start + FRAME_BYTES + FRAME_HEAD.unpack_from(frames, start)[1]
        found.append(frames[start:end])
        start = end
    return found


def linked_anew(lines: Sequence[bytes], frames: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Make every link and every frame's end right again, as somebody does who knows the format."""
    link, new_lines, new_frames = FIRST_LINK, [], []
    for old, frame in zip(lines, frames, strict=True):
        members = json.loads(old)
        if "prev" in members:
            members["prev"] = link.hex()
        line = canonical_json(members)
        link = leaf_hash(line)[:LINK_BYTES]
        new_lines.append(line)
        new_frames.append(frame[:-LINK_BYTES] + link)
    return new_lines, new_frames
