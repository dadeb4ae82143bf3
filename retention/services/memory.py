"""Keeping freed memory: large buffers come and go thousands of times in a run, and giving each back to the system costs
more in page faults than the work on it."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT_BYTES = 64 * 1024 * 1024
_LARGEST_BYTES = 32 * 1024 * 1024


def keep_freed_memory() -> None:
    """Ask glibc's allocator to keep up to 64 MiB of freed memory; elsewhere nothing happens."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
