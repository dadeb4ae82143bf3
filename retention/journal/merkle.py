"""The Merkle tree over the journal's lines: RFC 9162 §2.1 with SHA-256. Pure functions of hashes.

A tree over n leaves is described by ranges of leaves: `[start, end)` stands for the hash of the tree over these leaves.
Proofs are first computed as lists of ranges (`inclusion_ranges`, `consistency_ranges`), so that whoever stores hashes
of subtrees needs only those; `inclusion_proof` and `consistency_proof` fill them in from a list of leaf hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


class LeafRange(NamedTuple):
    """The leaves `start` to `end` (not included), whose tree's hash is meant."""

    start: int
    end: int


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162 §2.1.1)."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162 §2.1.1)."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree that grows: the roots of the perfect trees it is made of, largest first.

    There is one for each bit set in `size`; that is all that is needed to add leaves and to know the root.
    """

    __slots__ = ("_roots", "size")

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        if len(roots) != size.bit_count():
            raise ValueError("not a frontier: the number of hashes does not fit the size")
        self.size = size
        self._roots = list(roots)

    def append(self, leaf: bytes) -> None:
        """Add a leaf, given by its hash."""
        size, roots = self.size, self._roots
        while size & 1:
            leaf = _sha256(b"\x01" + roots.pop() + leaf).digest()
            size >>= 1
        roots.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves in order, given by their hashes."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Return the root hash of the tree over all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        *rest, root = self._roots
        for left in reversed(rest):
            root = node_hash(left, root)
        return root

    def copy(self) -> Frontier:
        return Frontier(self.size, self._roots)

    def to_bytes(self) -> bytes:
        """Return the size (8 bytes, little-endian) and the roots, largest tree first."""
        return self.size.to_bytes(8, "little") + b"".join(self._roots)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read what `to_bytes` wrote. Raises ValueError."""
        if len(data) % HASH_BYTES != 8:
            raise ValueError("not a frontier: a hash is cut short")
        roots = [data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES)]
        return cls(int.from_bytes(data[:8], "little"), roots)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root hash of the tree over the given leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def inclusion_ranges(index: int, size: int) -> list[LeafRange]:
    """Return what proves that leaf `index` is in the tree of `size` leaves (RFC 9162 §2.1.3.1), lowest first.

    Raises ValueError when there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(LeafRange(middle, end))
            end = middle
        else:
            path.append(LeafRange(start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(first: int, second: int) -> list[LeafRange]:
    """Return what proves that the tree of `second` leaves continues that of `first` (RFC 9162 §2.1.4.1).

    Raises ValueError unless 0 < first <= second: nothing has to be proven of an empty tree.
    """
    if not 0 < first <= second:
        raise ValueError(f"no consistency proof from {first} to {second} leaves")
    start, end = 0, second
    path = []
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(LeafRange(middle, end))
            end = middle
        else:
            path.append(LeafRange(start, middle))
            start = middle
    if start > 0:
        path.append(LeafRange(start, end))
    return path[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the inclusion proof of leaf `index` in the tree over `leaves` (hashes)."""
    return [root_of(leaves[start:end]) for start, end in inclusion_ranges(index, len(leaves))]


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """Return the proof that the tree over `leaves` (hashes) continues that over the first `first` of them."""
    return [root_of(leaves[start:end]) for start, end in consistency_ranges(first, len(leaves))]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that `leaf` (a hash) is leaf `index` of the tree with `size` leaves and this root.

    RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and current == root


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Whether `proof` shows that the tree of `second` leaves continues that of `first` (RFC 9162 §2.1.4.2).

    Trees of equal size are consistent when their roots are equal, an empty one with every other.
    """
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size` (which is at least 2)."""
    return 1 << (size - 1).bit_length() - 1
