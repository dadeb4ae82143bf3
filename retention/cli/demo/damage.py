"""Breaking things on purpose, as disks and people do: volumes emptied, bits flipped, the catalog gone.

The same files give the same damage: a demonstration that fails can be run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CATALOG_FILES = "catalog.db*"


def empty(volume: Path) -> int:
    """Delete every file on a volume; return how many."""
    files = list(_files(volume))
    for file in files:
        file.unlink()
    return len(files)


def flip_a_bit_everywhere(volume: Path) -> int:
    """Flip one bit in the middle of every file on a volume; return how many files."""
    count = 0
    for file in _files(volume):
        content = bytearray(file.read_bytes())
        if content:
            content[len(content) // 2] ^= 1 << (len(content) % 8)
            file.write_bytes(content)
            count += 1
    return count


def lose_catalog(archive: Path) -> list[str]:
    """Delete the catalog database; return the names of its files."""
    files = sorted(archive.glob(CATALOG_FILES))
    for file in files:
        file.unlink()
    return [file.name for file in files]


def _files(volume: Path) -> Iterator[Path]:
    return (path for path in sorted(volume.rglob("*")) if path.is_file())
