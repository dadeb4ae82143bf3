"""The hashes of the tree kept in files, so that a proof need not read the journal.

C2SP tlog-tiles, one file a level: `<folder>/L` has, one behind another, the roots of all full subtrees of 256^L leaves.
Tile N of level L is the 8192 bytes from N·8192 on. The invariant: nothing here is evidence. All of it can be made again
from the lines, and what is read from it counts only once it agrees with a root that is known otherwise.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from retention.journal.merkle import EMPTY_ROOT, HASH_BYTES, LeafRange, node_hash, root_of

LEVEL_BITS = 8
WIDTH = 1 << LEVEL_BITS
BATCH = WIDTH * WIDTH
_LOCK = "lock"


class Tiles:
    """The hashes of one journal's tree in a folder of their own. Raises OSError where that cannot be read or written.

    One writer at a time, over all processes; reading needs no lock.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._count(0)

    def extend(self, leaves: Iterable[Sequence[bytes]], first: int) -> None:
        """Add the leaves (by their hashes, in batches) that begin with number `first`; those that are there stay.

        Raises ValueError when leaves before `first` are lacking.
        """
        with self._writing():
            self._mend()
            known = self.size
            if known < first:
                raise ValueError(f"the leaves {known} to {first - 1} are lacking")
            for batch in leaves:
                if first + len(batch) > known:
                    self._append(0, batch[known - first :])
                    known = first + len(batch)
                    self._raise_levels()
                first += len(batch)

    def clear(self) -> None:
        """Forget everything: it did not agree with what is known."""
        with self._writing():
            for path in self._levels():
                path.unlink()

    def roots(self, ranges: Iterable[LeafRange]) -> list[bytes]:
        """Return the root over each of these ranges, as RFC 9162 cuts them: all but the last subtree are full ones.

        Raises ValueError for leaves that are not there.
        """
        with self._reading() as levels:
            return [_root(levels, each) for each in ranges]

    def leaf(self, index: int) -> bytes:
        """Return the hash of a leaf. Raises ValueError when it is not there."""
        return self.roots([LeafRange(index, index + 1)])[0]

    def _levels(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return sorted(path for path in self._folder.iterdir() if path.name.isdecimal())
        return []

    def _count(self, level: int) -> int:
        try:
            return (self._folder / str(level)).stat().st_size // HASH_BYTES
        except FileNotFoundError:
            return 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _reading(self) -> Iterator[list[int]]:
        """Open all levels; the descriptors, lowest first."""
        with ExitStack() as stack:
            files = [stack.enter_context(open(path, "rb", buffering=0)) for path in self._levels()]
            yield [file.fileno() for file in files]

    def _mend(self) -> None:
        """Cut off what a writer that was killed left unfinished."""
        full = self._count(0)
        for level, path in enumerate(self._levels()):
            if path.stat().st_size != full * HASH_BYTES:
                os.truncate(path, min(full, self._count(level)) * HASH_BYTES)
            full >>= LEVEL_BITS
        self._raise_levels()

    def _append(self, level: int, hashes: Sequence[bytes]) -> None:
        with open(self._folder / str(level), "ab") as file:
            file.write(b"".join(hashes))

    def _raise_levels(self) -> None:
        """Add to each level the roots of the subtrees below that have become full."""
        level = 0
        while full := self._count(level) >> LEVEL_BITS:
            done = self._count(level + 1)
            while done < full:
                until = min(full, done + WIDTH)
                hashes = self._read(level, done * WIDTH, until * WIDTH)
                tiles = range(0, len(hashes), WIDTH)
                self._append(level + 1, [root_of(hashes[at : at + WIDTH]) for at in tiles])
                done = until
            level += 1

    def _read(self, level: int, start: int, end: int) -> list[bytes]:
        with open(self._folder / str(level), "rb", buffering=0) as file:
            return _hashes(file.fileno(), start, end)


def _root(levels: Sequence[int], wanted: LeafRange) -> bytes:
    """Return the root over a range: of full subtrees, largest first, as RFC 9162 §2.1.1 splits it."""
    if wanted.start == wanted.end:
        return EMPTY_ROOT
    roots = []
    start = wanted.start
    while start < wanted.end:
        height = (wanted.end - start).bit_length() - 1
        if start & ((1 << height) - 1):
            raise ValueError(f"not a part of a tree: {wanted}")
        roots.append(_full(levels, start, height))
        start += 1 << height
    root = roots.pop()
    for left in reversed(roots):
        root = node_hash(left, root)
    return root


def _full(levels: Sequence[int], start: int, height: int) -> bytes:
    """Return the root of the full subtree of 2^height leaves from `start` on: at most 128 hashes are read."""
    level = min(height // LEVEL_BITS, len(levels) - 1)
    if level < 0:
        raise ValueError("there are no hashes")
    bits = LEVEL_BITS * level
    first, count = start >> bits, 1 << (height - bits)
    return root_of(_hashes(levels[level], first, first + count))


def _hashes(descriptor: int, start: int, end: int) -> list[bytes]:
    data = os.pread(descriptor, (end - start) * HASH_BYTES, start * HASH_BYTES)
    if len(data) != (end - start) * HASH_BYTES:
        raise ValueError(f"the hashes {start} to {end - 1} are lacking")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
