"""Proofs out of the journal's tree: its hashes are kept in files beside the catalog, so that one takes milliseconds.

The invariant: a proof is handed out only after it was verified, against the lines that the volumes have and a root that
is known otherwise. Hashes that do not agree are made again from the lines; where the lines do not agree, that is said.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from retention.journal.merkle import (
    LeafRange,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from retention.journal.tiles import Tiles
from retention.model.errors import ArchiveError, JournalBrokenError, RetentionError
from retention.services.stores import Stores

FOLDER = "tiles"
_T = TypeVar("_T")


class Tree:
    """The tree over all entries as they are now; made by `open_tree`, of no use after its block."""

    def __init__(self, stores: Stores, tiles: Tiles) -> None:
        self._journal = stores.journal
        self._tiles = tiles

    def bring_up_to_date(self) -> None:
        """Add the hashes of the entries that came since. Raises OSError, JournalBrokenError."""
        size = self._tiles.size
        if size < self._journal.size:
            self._tiles.extend(self._journal.leaves(size), size)

    def root(self, size: int) -> bytes:
        """Return the root over the first `size` entries, which the journal is shown to continue.

        Raises JournalBrokenError.
        """
        return self._checked(lambda: self._root(size))

    def line(self, seq: int) -> bytes:
        """Return the line of an entry. Raises JournalBrokenError."""
        return self._checked(lambda: self._line(seq))

    def inclusion(self, seq: int, size: int, root: bytes) -> list[bytes]:
        """Return the proof that an entry is in the tree over the first `size`, whose root is known (RFC 9162 §2.1.3).

        Raises JournalBrokenError.
        """

        def prove() -> list[bytes] | None:
            line, proof = self._line(seq), self._tiles.roots(inclusion_ranges(seq, size))
            if line is None or not verify_inclusion(leaf_hash(line), seq, size, proof, root):
                return None
            return proof

        return self._checked(prove)

    def consistency(self, first: int, first_root: bytes, second: int, second_root: bytes) -> list[bytes]:
        """Return the proof that the later tree continues the earlier one, whose roots are known (RFC 9162 §2.1.4).

        Raises JournalBrokenError.
        """

        def prove() -> list[bytes] | None:
            is_trivial = first in (0, second)
            proof = [] if is_trivial else self._tiles.roots(consistency_ranges(first, second))
            return proof if verify_consistency(first, second, proof, first_root, second_root) else None

        return self._checked(prove)

    def _root(self, size: int) -> bytes | None:
        (root,) = self._tiles.roots([LeafRange(0, size)])
        end, end_root = self._journal.size, self._journal.root()
        proof = self._tiles.roots(consistency_ranges(size, end)) if 0 < size < end else []
        return root if verify_consistency(size, end, proof, root, end_root) else None

    def _line(self, seq: int) -> bytes | None:
        leaf = self._tiles.leaf(seq)
        line = self._journal.line(seq, leaf)
        if line is None:
            line = next(self._journal.read(seq)).line
        return line if leaf_hash(line) == leaf else None

    def _checked(self, find: Callable[[], _T | None]) -> _T:
        """Return what was found and verified; once more from the lines when the hashes in the files do not agree."""
        found = _or_none(find)
        if found is None:
            self._tiles.clear()
            self.bring_up_to_date()
            found = _or_none(find)
        if found is None:
            raise JournalBrokenError(
                "the entries that the volumes have do not agree with what is known of the journal: nothing is proven",
                hint="retention journal verify says which",
                replicas=[],
            )
        return found


def keep_hashes(stores: Stores) -> None:
    """Bring the hashes up to date, so that whoever asks for a proof next does not wait; if that can be.

    Raises JournalBrokenError, VolumeUnavailableError.
    """
    _tree_in(stores, stores.root / FOLDER)


def first_changed(stores: Stores, first: int, size: int, root: bytes) -> int | None:
    """Return the first entry from `first` on that is not what it was under the root over `size`; None: cannot be said.

    The hashes that were kept are believed only if they make that root.
    """
    tiles = Tiles(stores.root / FOLDER)
    try:
        if tiles.roots([LeafRange(0, size)]) != [root]:
            return None
        seq = first
        for leaves in stores.journal.leaves(first):
            for leaf in leaves[: size - seq]:
                if leaf != tiles.leaf(seq):
                    return seq
                seq += 1
            if seq >= size:
                break
    except (OSError, ValueError, RetentionError):
        return None
    return None


def _or_none(find: Callable[[], _T | None]) -> _T | None:
    try:
        return find()
    except ValueError:
        return None  # hashes are lacking


@contextmanager
def open_tree(stores: Stores) -> Iterator[Tree]:
    """Yield the tree for proofs. Who may not write into the archive's folder keeps its hashes in a cache of his own.

    Raises ArchiveError when there is no place for them, JournalBrokenError, VolumeUnavailableError.
    """
    yield _tree_in(stores, stores.root / FOLDER) or _tree_in(stores, _own_cache(stores)) or _no_place()


def _tree_in(stores: Stores, folder: Path) -> Tree | None:
    tree = Tree(stores, Tiles(folder))
    try:
        tree.bring_up_to_date()
    except OSError:
        return None
    return tree


def _own_cache(stores: Stores) -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "retention" / stores.archive_id / FOLDER


def _no_place() -> Tree:
    raise ArchiveError(
        "there is no place for the hashes that a proof is made of",
        hint=f"let this account write into the archive's {FOLDER}/, or set XDG_CACHE_HOME to a folder of its own",
    )
