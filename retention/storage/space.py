"""The free space of a medium, and the reserve in it that packages may not use.

The reserve is for what must still be possible on a full volume: the journal and the keyring. The system is asked
once in 16 MiB, not at every write; between two questions only our own writes are counted, so the reserve is kept
exactly against ourselves and nearly so against others.
"""

from __future__ import annotations

import os
import threading

from retention.model.errors import VolumeFullError

RESERVE_LIMIT_BYTES = 64 << 20
RESERVE_DIVISOR = 100
_ASK_EVERY_BYTES = 16 << 20


class Space:
    """Counts what may still be written below `root`. `reserve_bytes` None: 64 MiB or 1%, whichever is smaller."""

    def __init__(self, volume: str, root: str, reserve_bytes: int | None) -> None:
        self._volume = volume
        self._root = root
        self._reserve_bytes = reserve_bytes
        self._lock = threading.Lock()
        self._allowance_bytes = 0

    def spend(self, size_bytes: int) -> None:
        """Count a write to come. Raises VolumeFullError if it would leave less than the reserve, OSError."""
        with self._lock:
            self._allowance_bytes -= size_bytes
            if self._allowance_bytes >= 0:
                return
            self._allowance_bytes = 0
            left_bytes = self.free_bytes() - self.reserve_bytes() - size_bytes
            if left_bytes < 0:
                raise VolumeFullError(
                    f"volume {self._volume}: only the reserve of {self.reserve_bytes()} bytes is left",
                    hint="free space there, or add a volume",
                    volume=self._volume,
                )
            self._allowance_bytes = min(left_bytes, _ASK_EVERY_BYTES)

    def reserve_bytes(self) -> int:
        if self._reserve_bytes is not None:
            return self._reserve_bytes
        return min(RESERVE_LIMIT_BYTES, self.total_bytes() // RESERVE_DIVISOR)

    def free_bytes(self) -> int:
        medium = os.statvfs(self._root)
        return medium.f_bavail * medium.f_frsize

    def total_bytes(self) -> int:
        medium = os.statvfs(self._root)
        return medium.f_blocks * medium.f_frsize
