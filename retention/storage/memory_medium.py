"""What a memory volume is made of: the bytes a reader sees, and the bytes a power cut would leave.

The invariant: `durable` changes only where the contract says that something is durable, so that `crash` leaves
exactly what a real medium must leave.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from retention.storage.faults import Faults
from retention.storage.identity import DeviceRecord


@dataclass(slots=True)
class Incoming:
    """An unfinished upload's file."""

    data: bytearray = field(default_factory=bytearray)
    is_sealed: bool = False


class Medium:
    """The bytes, and what can happen to them.

    Set `is_missing`, `is_read_only` or `device` to play what happens to places; `ignores_sync` for a device that
    confirms syncs without doing them; `spoiled_uploads` to let it keep a wrong byte of the next uploads: what
    was written is then `cached` in memory, and read from there until somebody reads from the medium. Several volumes
    opened on one medium are one volume opened several times. Callers hold `lock` around what must be one step.
    """

    def __init__(self, capacity_bytes: int = 1 << 30, device: str = "memory:1") -> None:
        self.lock = threading.RLock()
        self.faults = Faults()
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.boots = 0
        self.seen: dict[str, bytes] = {}
        self.cached: dict[str, bytes] = {}
        self.durable: dict[str, bytes] = {}
        self.unflushed: set[str] = set()
        self.incoming: dict[str, Incoming] = {}
        self.device = DeviceRecord(device, is_mount=False)
        self.is_missing = False
        self.is_read_only = False
        self.ignores_sync = False
        self.spoiled_uploads = 0

    def grow(self, size_bytes: int, reserve_bytes: int = 0) -> None:
        """Take space. Raises OSError (ENOSPC) if it would leave less than the reserve."""
        with self.lock:
            if size_bytes > 0 and self.used_bytes + size_bytes + reserve_bytes > self.capacity_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.used_bytes += size_bytes

    def publish(self, key: str, data: bytes) -> None:
        """Let a whole upload be seen under its key, until `flush` only until a power cut."""
        if self.spoiled_uploads and data:
            self.spoiled_uploads -= 1
            self.put(key, bytes([data[0] ^ 1]) + data[1:])
            self.cached[key] = data
        else:
            self.put(key, data)
        self.unflushed.add(key)

    def put(self, key: str, data: bytes | None) -> None:
        """Let other bytes be seen under a key, or none."""
        self.cached.pop(key, None)
        if data is None:
            self.seen.pop(key, None)
        else:
            self.seen[key] = data

    def look(self, key: str, *, past_memory: bool) -> bytes:
        """Return what a reader gets; `past_memory`: what the medium holds, which is all that is known from then on."""
        if past_memory:
            self.cached.pop(key, None)
        return self.cached.get(key, self.seen[key])

    def settle(self, key: str) -> None:
        """What is seen under `key` (perhaps nothing) becomes durable."""
        if self.ignores_sync:
            return
        if key in self.seen:
            self.durable[key] = self.seen[key]
        else:
            self.durable.pop(key, None)

    def flush(self) -> None:
        with self.lock:
            for key in self.unflushed:
                self.settle(key)
            self.unflushed.clear()

    def crash(self, keep: Iterable[str]) -> None:
        """Cut the power: what is not durable vanishes, except the published names in `keep`; uploads end."""
        with self.lock:
            kept = {key: self.seen[key] for key in set(keep) & self.unflushed}
            self.seen = self.durable | kept
            self.durable = dict(self.seen)
            for file in self.incoming.values():
                if not file.is_sealed:
                    file.data.clear()
            self.unflushed.clear()
            self.cached.clear()
            self.boots += 1
            self.used_bytes = sum(map(len, self.seen.values())) + sum(
                len(file.data) for file in self.incoming.values()
            )

    def damage(self, key: str, data: bytes | None) -> None:
        """Put other bytes in an object's place, or none, seen and durable, as a failing medium does."""
        with self.lock:
            self.used_bytes += (len(data) if data is not None else 0) - len(self.seen[key])
            self.put(key, data)
            if data is None:
                self.durable.pop(key, None)
            else:
                self.durable[key] = data
