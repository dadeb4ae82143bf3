"""A volume in memory that keeps the contract, and breaks it on order.

It exists for tests and rehearsals: it knows what a power cut would leave (`crash`), can be damaged as a medium is,
and takes orders for `faults`. The invariant is the contract's own; the conformance suite runs on it as on every
driver.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from retention.model.digests import blake3_digest
from retention.model.errors import StorageError, UsageError, VolumeSuspectError
from retention.model.layout import VolumeSpec
from retention.storage.faults import Faults
from retention.storage.identity import IDENTITY_KEY, DeviceRecord, VolumeIdentity
from retention.storage.memory_medium import Medium
from retention.storage.memory_objects import MemoryReader, MemoryUpload
from retention.storage.os_errors import translate
from retention.storage.state import VolumeState, judge, suspect, unavailable
from retention.storage.volume import (
    ObjectReader,
    ObjectStat,
    Upload,
    Volume,
    check_key,
    check_session,
    check_writable,
)


class MemoryVolume(Volume):
    """A volume on a `medium`, by default one of its own with a gibibyte; arguments as for DirectoryVolume."""

    supports_append = True

    def __init__(
        self,
        spec: VolumeSpec,
        *,
        expected: VolumeIdentity | None = None,
        recorded: DeviceRecord | None = None,
        medium: Medium | None = None,
        reserve_bytes: int = 0,
    ) -> None:
        self.spec = spec
        self.medium = medium or Medium(device=f"memory:{spec.name}")
        self._is_suspect = False
        self._expected = expected
        self._recorded = recorded
        self._reserve_bytes = reserve_bytes

    @property
    def faults(self) -> Faults:
        return self.medium.faults

    # damage

    def crash(self, keep: Iterable[str] = ()) -> None:
        """Cut the power and start again; of the names not flushed yet only those in `keep` survive."""
        self.medium.crash(keep)
        self._is_suspect = False

    def flip(self, key: str, offset: int, mask: int = 1) -> None:
        """Flip bits of one byte of an object."""
        data = bytearray(self.medium.seen[key])
        data[offset] ^= mask
        self.medium.damage(key, bytes(data))

    def cut(self, key: str, size_bytes: int) -> None:
        """Lose the end of an object."""
        self.medium.damage(key, self.medium.seen[key][:size_bytes])

    def lose(self, *keys: str) -> None:
        """Lose objects; without keys all of them, the identity too."""
        for key in keys or tuple(self.medium.seen):
            self.medium.damage(key, None)

    # objects, put once

    def begin(self, key: str, session: str) -> Upload:
        self._require_ready()
        temporary = f"{check_session(session)}-{os.urandom(8).hex()}"
        with self._translated(check_key(key)):
            self.faults.meet("begin")
        return MemoryUpload(
            key,
            temporary,
            volume=self.name,
            medium=self.medium,
            reserve_bytes=self._reserve_bytes,
            condemn=self._condemn,
        )

    def flush(self) -> None:
        if self.is_suspect:
            raise suspect(self.name, "a sync failed earlier")
        self._sync("flush", "a directory")
        self.medium.flush()

    def open(self, key: str, *, from_medium: bool = False) -> ObjectReader:
        with self.medium.lock:
            self._find("open", key)
            data = self.medium.look(key, past_memory=from_medium)
        self.faults.calls["from_medium"] += from_medium
        return MemoryReader(key, data, volume=self.name, medium=self.medium)

    def stat(self, key: str) -> ObjectStat:
        found = self._find("stat", key)
        return ObjectStat(key, len(found), blake3_digest(found).hex())

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        self._require_readable()
        with self._translated(prefix), self.medium.lock:
            self.faults.meet("list")
            found = {key: len(data) for key, data in self.medium.seen.items() if key.startswith(prefix)}
        return iter([ObjectStat(key, found[key]) for key in sorted(found)])

    def delete_many(self, keys: Iterable[str]) -> int:
        self._require_ready()
        asked = [check_key(key) for key in keys]
        with self._translated(None), self.medium.lock:
            self.faults.meet("delete")
            gone = [key for key in asked if key in self.medium.seen]
            for key in gone:
                self.medium.grow(-len(self.medium.seen[key]))
                self.medium.put(key, None)
                self.medium.unflushed.discard(key)
            self._sync("sync", "a directory")
            for key in asked:
                self.medium.settle(key)
        return len(gone)

    # documents

    def replace(self, key: str, data: bytes) -> None:
        self._require_ready()
        self._replace(check_writable(key), data)

    def append(self, key: str, data: bytes, expected_size: int | None = None) -> None:
        self._require_ready()
        with self._translated(check_writable(key)), self.medium.lock:
            held = self.medium.seen.get(key, b"")
            self._check_size(key, len(held), expected_size)
            fault = self.faults.strike("append")
            taken = data if fault is None else data[: fault.torn_bytes]
            self.medium.grow(len(taken))
            self.medium.put(key, held + taken)
            if fault is not None:
                self.medium.settle(key)
                raise fault.error
            self._sync("sync", key)
            self.medium.settle(key)

    def truncate(self, key: str, size_bytes: int) -> None:
        self._require_ready()
        held = self._find("truncate", check_writable(key))
        with self._translated(key), self.medium.lock:
            self.medium.grow(-max(0, len(held) - size_bytes))
            self.medium.put(key, held[:size_bytes])
            self._sync("sync", key)
            self.medium.settle(key)

    # the volume itself

    def probe(self) -> VolumeState:
        if self.medium.is_missing:
            return VolumeState.MISSING
        state = judge(
            self.name,
            found=self.identity(),
            expected=self._expected,
            here=self.medium.device,
            recorded=self._recorded,
        )
        if state is VolumeState.READY and self.is_suspect:
            return VolumeState.SUSPECT
        return VolumeState.READ_ONLY if state is VolumeState.READY and self.medium.is_read_only else state

    @property
    def is_suspect(self) -> bool:
        return self._is_suspect

    def identity(self) -> VolumeIdentity | None:
        if self.medium.is_missing:
            raise unavailable(self.name, VolumeState.MISSING)
        return VolumeIdentity.decode(self.medium.seen.get(IDENTITY_KEY, b""))

    def device(self) -> DeviceRecord:
        if self.medium.is_missing:
            raise unavailable(self.name, VolumeState.MISSING)
        return self.medium.device

    def initialise(self, identity: VolumeIdentity) -> DeviceRecord:
        found = self.identity()
        if found is None and self.medium.seen:
            raise UsageError(f"volume {self.name}: it is not empty", volume=self.name)
        if found is not None and not found.is_same(identity):
            raise UsageError(f"volume {self.name}: it is another volume", volume=self.name)
        return self.settle(identity, write=found is None)

    def incoming_sessions(self) -> set[str]:
        self._require_readable()
        return {name.rpartition("-")[0] for name in self.medium.incoming}

    def discard_incoming(self, session: str) -> int:
        self._require_ready()
        prefix = f"{check_session(session)}-"
        with self.medium.lock:
            names = [name for name in self.medium.incoming if name.startswith(prefix)]
            for name in names:
                self.medium.grow(-len(self.medium.incoming.pop(name).data))
        return len(names)

    def free_bytes(self) -> int:
        return self.medium.capacity_bytes - self.medium.used_bytes

    def total_bytes(self) -> int:
        return self.medium.capacity_bytes

    # how it is done

    def _find(self, operation: str, key: str) -> bytes:
        self._require_readable()
        with self._translated(check_key(key)):
            self.faults.meet(operation)
            if key not in self.medium.seen:
                raise FileNotFoundError(errno.ENOENT, "absent")
            return self.medium.seen[key]

    def _replace(self, key: str, data: bytes) -> None:
        with self._translated(key), self.medium.lock:
            self.faults.meet("replace")
            self.medium.grow(len(data) - len(self.medium.seen.get(key, b"")))
            self._sync("sync", key)
            self.medium.put(key, data)
            self.medium.settle(key)

    def _sync(self, operation: str, what: str) -> None:
        try:
            self.faults.meet(operation)
        except OSError as error:
            raise self._condemn(error, what) from error

    def _condemn(self, error: OSError, what: str) -> VolumeSuspectError:
        self._is_suspect = True
        return suspect(self.name, f"{what} could not be synced ({error.strerror})")

    def settle(self, identity: VolumeIdentity, *, write: bool) -> DeviceRecord:
        if write:
            self._replace(IDENTITY_KEY, identity.encode())
        self._expected, self._recorded = identity, self.medium.device
        return self.medium.device

    def _require_ready(self) -> None:
        if (state := self.probe()) is not VolumeState.READY:
            raise unavailable(self.name, state)

    def _require_readable(self) -> None:
        if not (state := self.probe()).is_readable:
            raise unavailable(self.name, state)

    def _translate(self, error: OSError, key: str | None) -> StorageError:
        return translate(error, self.name, key)

    @contextmanager
    def _translated(self, key: str | None) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._translate(error, key) from error
