"""A volume that answers slowly on purpose: what any other driver keeps, archived and recalled as glacier does it.

So an archive on one machine lives through what one on S3 will: a tier with `recall` in archive.yaml. What a package's
object needs to be read is kept in a document beside it, on the volume itself, under `recalls/`: when it was asked for,
when it is ready, until when. The invariant: a request that was confirmed is durable, and never makes an object ready
later, or readable for less long, than was said before.

All instants come from the clock that is given, so a rehearsal lives through the waiting too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from retention.model.clock import Clock
from retention.model.errors import ObjectNotFoundError
from retention.model.layout import RecallSpec
from retention.storage.identity import DeviceRecord, VolumeIdentity
from retention.storage.recall_notes import RecallNote, note_key
from retention.storage.state import VolumeState, not_ready
from retention.storage.volume import (
    ONLINE,
    SLOW_PREFIX,
    Availability,
    ObjectReader,
    ObjectStat,
    RecallState,
    Upload,
    Urgency,
    Volume,
)

_SHARE_OF_DELAY = {Urgency.ROUTINE: 1, Urgency.SOON: 3, Urgency.EMERGENCY: 10}
_ARCHIVED = Availability(RecallState.ARCHIVED)


class DelayedVolume(Volume):
    """Whatever `inner` is, with objects below `packages/` archived from the moment they are published.

    A recall takes `recall.delay`, a third of it if soon, a tenth in an emergency.
    """

    def __init__(self, inner: Volume, recall: RecallSpec, clock: Clock) -> None:
        self.spec = inner.spec
        self.supports_append = inner.supports_append
        self._inner = inner
        self._recall = recall
        self._clock = clock

    # what is slow

    def open(self, key: str, *, from_medium: bool = False) -> ObjectReader:
        found = self.availability(key)
        if not found.is_readable:
            is_requested = found.state is RecallState.REQUESTED
            raise not_ready(self.name, key, found.ready_at, is_requested=is_requested)
        return self._inner.open(key, from_medium=from_medium)

    def read_back(self, upload: Upload) -> ObjectReader | None:
        return self._inner.read_back(upload)

    def availability(self, key: str) -> Availability:
        self._inner.stat(key)
        return self._availability(key) if key.startswith(SLOW_PREFIX) else ONLINE

    def recall(self, key: str, *, urgency: Urgency, keep: timedelta) -> Availability:
        now, found = self._clock.now(), self.availability(key)
        if found.state is RecallState.ONLINE:
            return found
        ready_at = now + self._recall.delay / _SHARE_OF_DELAY[urgency]
        if found.ready_at is not None:
            ready_at = min(ready_at, found.ready_at)
        until_at = max(now, ready_at) + keep
        if found.until_at is not None:
            until_at = max(until_at, found.until_at)
        if (ready_at, until_at) != (found.ready_at, found.until_at):
            self._inner.replace(note_key(key), RecallNote(ready_at, until_at).encode(key))
        return self._availability(key)

    def lock(self, key: str, *, keep_until: datetime | None = None) -> datetime | None:
        return self._inner.lock(key, keep_until=keep_until)

    def hold(self, key: str, *, on: bool) -> bool:
        return self._inner.hold(key, on=on)

    def sweep(self, may_go: Callable[[str], bool]) -> int:
        return self._inner.sweep(may_go)

    def delete_many(self, keys: Iterable[str]) -> int:
        asked = list(keys)
        # First what was noted: so it never speaks of another object that comes under the same key later.
        self._inner.delete_many(note_key(key) for key in asked if key.startswith(SLOW_PREFIX))
        return self._inner.delete_many(asked)

    def _availability(self, key: str) -> Availability:
        now, noted = self._clock.now(), self._noted(key)
        if noted is None or noted.until_at is None or now >= noted.until_at:
            return _ARCHIVED
        state = RecallState.REQUESTED if now < noted.ready_at else RecallState.READY
        return Availability(state, noted.ready_at, noted.until_at)

    def _noted(self, key: str) -> RecallNote | None:
        try:
            with self._inner.open(note_key(key)) as reader:
                return RecallNote.decode(reader.read_at(0, reader.size_bytes))
        except ObjectNotFoundError:
            return None

    # all the rest is as it was

    def begin(self, key: str, session: str) -> Upload:
        return self._inner.begin(key, session)

    def flush(self) -> None:
        self._inner.flush()

    def stat(self, key: str) -> ObjectStat:
        return self._inner.stat(key)

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        return self._inner.list(prefix)

    def replace(self, key: str, data: bytes) -> None:
        self._inner.replace(key, data)

    def append(self, key: str, data: bytes, expected_size: int | None = None) -> None:
        self._inner.append(key, data, expected_size)

    def truncate(self, key: str, size_bytes: int) -> None:
        self._inner.truncate(key, size_bytes)

    def probe(self) -> VolumeState:
        return self._inner.probe()

    @property
    def is_suspect(self) -> bool:
        return self._inner.is_suspect

    def identity(self) -> VolumeIdentity | None:
        return self._inner.identity()

    def device(self) -> DeviceRecord:
        return self._inner.device()

    def initialise(self, identity: VolumeIdentity) -> DeviceRecord:
        return self._inner.initialise(identity)

    def settle(self, identity: VolumeIdentity, *, write: bool) -> DeviceRecord:
        return self._inner.settle(identity, write=write)

    def incoming_sessions(self) -> set[str]:
        return self._inner.incoming_sessions()

    def discard_incoming(self, session: str) -> int:
        return self._inner.discard_incoming(session)

    def free_bytes(self) -> int | None:
        return self._inner.free_bytes()

    def total_bytes(self) -> int | None:
        return self._inner.total_bytes()
