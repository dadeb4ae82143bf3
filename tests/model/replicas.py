"""Replicas in memory whose calls can be made to fail, for the tests of what is kept in replicas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from retention.model.digests import blake3_digest
from retention.model.errors import ObjectNotFoundError, StorageError, VolumeUnavailableError, WriteOnceError


@dataclass
class MemoryReplica:
    """A replica whose files are a dictionary.

    `away` makes every call fail. `faults` holds, by method name, errors to raise at its next calls; an append that
    fails that way first writes the part of its data that `tear` leaves (None: nothing).
    """

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    away: bool = False
    faults: dict[str, list[StorageError]] = field(default_factory=dict)
    tear: Callable[[bytes], bytes] | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)

    def append(self, key: str, data: bytes, expected_size: int) -> None:
        if len(self.files.get(key, b"")) != expected_size:
            raise WriteOnceError(f"{key} has another size")
        try:
            self._enter("append", key)
        except StorageError:
            if self.tear is not None:
                self.files[key] = self.files.get(key, b"") + self.tear(data)
            raise
        self.files[key] = self.files.get(key, b"") + data

    def replace(self, key: str, data: bytes) -> None:
        self._enter("replace", key)
        self.files[key] = data

    def truncate(self, key: str, size_bytes: int) -> None:
        self._enter("truncate", key)
        self.files[key] = self.files[key][:size_bytes]

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self._enter("read", key)
        if key not in self.files:
            raise ObjectNotFoundError(f"no {key}")
        return self.files[key][offset : None if length is None else offset + length]

    def size(self, key: str) -> int | None:
        self._enter("size", key)
        return len(self.files[key]) if key in self.files else None

    def version(self, key: str) -> str | None:
        self._enter("version", key)
        return blake3_digest(self.files[key]).hex() if key in self.files else None

    def list(self, prefix: str) -> list[str]:
        self._enter("list", prefix)
        return sorted(key for key in self.files if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self._enter("delete", key)
        self.files.pop(key, None)

    def _enter(self, method: str, key: str) -> None:
        self.calls.append((method, key))
        if self.away:
            raise VolumeUnavailableError(f"{self.name} is away")
        if self.faults.get(method):
            raise self.faults[method].pop(0)


def replicas(count: int = 3) -> list[MemoryReplica]:
    return [MemoryReplica(f"volume-{number}") for number in range(count)]
