"""Files on the disk and in its cache: what stands in memory decides half of every figure, so each program says it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_PIECE_BYTES = 4 * 1024 * 1024


def files_below(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def size_of(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def drop_cached(paths: Iterable[Path]) -> None:
    """Sync each file and drop what memory holds of it: the next reading is from the disk."""
    for descriptor in _opened(paths):
        os.fdatasync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def warm(paths: Iterable[Path]) -> None:
    """Read each file once: the next reading is from memory."""
    for descriptor in _opened(paths):
        offset = 0
        while piece := os.pread(descriptor, _PIECE_BYTES, offset):
            offset += len(piece)


def _opened(paths: Iterable[Path]) -> Iterator[int]:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
