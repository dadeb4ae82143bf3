"""RFC 9162: whether a tree continues an earlier one, and an entry is in it. Seals: whether each continues the last.

A seal is a checkpoint with further lines (docs/journal.md, section 5): when it was made, and which seals it continues.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from retention.reports.standalone.notes import NotValidError, signed_text, unbase64


def is_consistent(first: int, second: int, first_root: bytes, second_root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2."""
    if not 0 <= first <= second:
        return False
    if first in (0, second):
        return not proof and (first == 0 or first_root == second_root)
    if first & (first - 1) == 0:
        proof = [first_root, *proof]
    if not proof:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = proof[0]
    for one in proof[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, one)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def is_included(leaf: bytes, index: int, size: int, root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 section 2.1.3.2; `leaf` is the hash of the entry."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for one in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(one, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, one)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def leaf_hash(line: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + line).digest()


@dataclass
class Checkpoint:
    """A signed size and root; of a seal also its digest, and by size those of the seals it continues (`links`) and of
    the timestamps that it names (`stamps`)."""

    size: int
    root: bytes
    digest: bytes
    links: dict[int, bytes] = field(default_factory=dict)
    stamps: dict[int, bytes] = field(default_factory=dict)


def read_checkpoint(note: bytes, keys: list[str], name: str) -> Checkpoint:
    """Read a checkpoint or seal that one of the keys signed. Raises NotValidError."""
    text = None
    for key in keys:
        try:
            text = signed_text(note, key, name)
            break
        except NotValidError:
            if key == keys[-1]:
                raise
    lines = [] if text is None else text.split("\n")
    if text is None or len(lines) < 4 or not (lines[1].isascii() and lines[1].isdigit()):
        raise NotValidError(f"{name} is not a checkpoint")
    found = Checkpoint(int(lines[1]), unbase64(lines[2], name), hashlib.sha256(text.encode()).digest())
    for line in lines[3:]:
        words = line.split(" ")
        if len(words) == 3 and words[0] in ("previous", "month", "year") and words[1].isdigit():
            found.links[int(words[1])] = unbase64(words[2], name)
        elif len(words) == 3 and words[0] == "timestamp" and words[1].isdigit():
            found.stamps[int(words[1])] = unbase64(words[2], name)
    return found


def stamped_part(note: bytes) -> bytes:
    """Return what a seal's timestamp is over: the text and the archive's own signature, without witnesses'."""
    text, _, signatures = note.decode("utf-8", "replace").rpartition("\n\n")
    origin = text.split("\n", 1)[0]
    own = [line for line in signatures.splitlines() if line.startswith(f"— {origin} ")]
    return (text + "\n\n" + "".join(f"{line}\n" for line in own)).encode()
