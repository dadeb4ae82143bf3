"""What nobody can foresee: nonces of challenges, the seed of a sample that a person asks for, which cells are read."""

from __future__ import annotations

import os


def unforeseen(count: int) -> bytes:
    """Return `count` random bytes."""
    return os.urandom(count)


def number_below(count: int) -> int:
    """Return a random number from 0 to `count` - 1."""
    return int.from_bytes(os.urandom(16), "little") % count
