"""The volume contract: what every place that keeps objects must do, whatever it is made of.

The invariant: nothing is visible under a key before it is whole, nothing that is visible ever changes (except the
few documents kept by `replace` and `append`), and what a volume has confirmed survives a power cut. A volume that
cannot promise this any longer says so and takes no more writes. `tests/storage/conformance*.py` is this contract
as a list of tests; every driver passes it.

Objects are named by keys such as `packages/3f/3f…e1.02.g0.shard`. A key names, it does not prove: what an object is,
its own bytes say.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Self

from retention.model.errors import ObjectChangedError, ObjectNotFoundError
from retention.model.layout import VolumeSpec
from retention.storage.identity import IDENTITY_KEY, DeviceRecord, VolumeIdentity
from retention.storage.state import VolumeState, unavailable

Buffer = bytes | bytearray | memoryview

KEY_BYTES = 200
INCOMING = "incoming"
SLOW_PREFIX = "packages/"
"""Only what lies below it is ever archived on a volume that answers slowly; documents answer at once everywhere."""

_KEY = re.compile(r"(?:FORMAT\.md|[a-z0-9_-][a-z0-9._-]*(?:/[a-z0-9_-][a-z0-9._-]*){0,5})\Z")
_SESSION = re.compile(r"[a-z0-9]{1,40}\Z")


def check_key(key: str) -> str:
    """Return `key` if an object may be so named; ValueError if not (a key is made by code, never typed by anyone).

    Up to 6 segments of a-z, 0-9, `.`, `_` and `-`, none starting with a dot, at most 200 bytes; `FORMAT.md` is the
    one name with capitals. `incoming/` belongs to uploads.
    """
    if _KEY.match(key) is None or len(key) > KEY_BYTES or key == INCOMING or key.startswith(f"{INCOMING}/"):
        raise ValueError(f"not a key: {key!r}")
    return key


def is_key(text: str) -> bool:
    """Whether an object may be so named: what lies on a volume under another name is none of ours."""
    try:
        check_key(text)
    except ValueError:
        return False
    return True


def check_writable(key: str) -> str:
    """As `check_key`, for documents: the identity file is written by `initialise` and `adopt` alone."""
    if key == IDENTITY_KEY:
        raise ValueError(f"not to be written as a document: {key!r}")
    return check_key(key)


def check_session(session: str) -> str:
    """Return `session` if it may name a run's uploads (1 to 40 of a-z and 0-9); ValueError if not."""
    if _SESSION.match(session) is None:
        raise ValueError(f"not a session: {session!r}")
    return session


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """An object's key and length; `version` differs whenever its bytes do (of `stat` alone, empty in a list)."""

    key: str
    size_bytes: int
    version: str = ""


class RecallState(StrEnum):
    """Whether an object's bytes can be read: always; not now; not yet; for a time.

    ONLINE → ONLINE, and ARCHIVED → (`recall`) REQUESTED → READY until … → ARCHIVED.
    """

    ONLINE = "online"
    ARCHIVED = "archived"
    REQUESTED = "requested"
    READY = "ready"


class Urgency(StrEnum):
    """How much it is worth to have an archived object soon: what costs least, more, most."""

    ROUTINE = "routine"
    SOON = "soon"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Availability:
    """An object's state. `ready_at` is an estimate while REQUESTED (None: nobody can tell); READY ends `until_at`."""

    state: RecallState
    ready_at: datetime | None = None
    until_at: datetime | None = None

    @property
    def is_readable(self) -> bool:
        """Whether `open` gives the bytes now."""
        return self.state in (RecallState.ONLINE, RecallState.READY)


ONLINE = Availability(RecallState.ONLINE)


class ObjectReader(ABC):
    """One object opened for reading. Several threads may read at once."""

    size_bytes: int

    @abstractmethod
    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only where the object ends.

        Raises ObjectUnreadableError if the medium cannot read this place, VolumeUnavailableError if the volume went
        away.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the object back; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Upload(ABC):
    """One object on its way in: `write`…, `seal`, `publish`. Used by one thread at a time.

    Nothing is visible under the key before `publish`. After any error the only thing left to do is `abort`; leaving
    the `with` block does so unless the upload was published. Different uploads are independent: any number of
    threads may write and seal their own.
    """

    key: str
    size_bytes: int

    @abstractmethod
    def write(self, *pieces: Buffer) -> None:
        """Append the pieces (contiguous bytes). They may be changed once this returns.

        Raises VolumeFullError when it would leave less than the reserve free, VolumeUnavailableError.
        """

    @abstractmethod
    def start_write_out(self) -> None:
        """All is written: let the medium begin with the rest, without waiting for it.

        Worth calling on every upload of a group before the first `seal`, and sealing them by several threads: the
        syncs then share their work (measured 256 files in 400 ms one after another, 30 ms by four threads).
        """

    @abstractmethod
    def seal(self) -> None:
        """Make the bytes durable. Nothing can be written after it.

        Raises VolumeSuspectError if the sync failed: the file is discarded, the volume takes no more writes, and
        the sync is never tried again on the same descriptor (the system forgets what it failed to write).
        """

    @abstractmethod
    def publish(self) -> None:
        """Make the sealed object visible under its key; durable after the volume's next `flush`.

        Raises ObjectExistsError if there is such an object (put-once), VolumeUnavailableError.
        """

    @abstractmethod
    def abort(self) -> None:
        """Discard what was written. May be called twice, and after `publish`, when it does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


class Volume(ABC):
    """A place that fails as one. Every operation may be called from several threads at once.

    Each raises VolumeUnavailableError if the volume is not there or not the one recorded; what writes also raises it
    unless the volume is READY, VolumeSuspectError once a sync has failed, and VolumeFullError without space.
    """

    spec: VolumeSpec
    supports_append: bool
    is_remote: bool = False
    """Whether each operation is a round trip to a service, so that several at once are worth it."""

    @property
    def name(self) -> str:
        return self.spec.name

    @abstractmethod
    def begin(self, key: str, session: str) -> Upload:
        """Start an object that must not exist yet. `session` names the run it belongs to (a-z, 0-9)."""

    @abstractmethod
    def flush(self) -> None:
        """Make every name published before this call durable. Each directory touched is synced once.
        Raises VolumeSuspectError: then none of them is confirmed."""

    @abstractmethod
    def open(self, key: str, *, from_medium: bool = False) -> ObjectReader:
        """Open an object for reading; `from_medium`: what is read comes from the medium and not from memory.

        So an audit reads. Raises ObjectNotFoundError only if the volume answers and has no such object, NotReadyError
        if it is archived and was not recalled (`stat` and `list` work all the same).
        """

    def read_back(self, upload: Upload) -> ObjectReader | None:
        """Open what `upload` has just published, from the medium, also on a volume that answers slowly.

        None where the medium cannot be read even now (an archived S3 storage class): then size and checksum as the
        service computed them over what it stored have been compared with what was sent, which is less than reading
        and is recorded as such. Raises ReadBackError if they differ, and as `open`.
        """
        return self.open(upload.key, from_medium=True)

    def earlier(self, key: str) -> Iterator[ObjectReader | None]:
        """Yield what lay under a key before and is still kept, the latest first; None for what cannot be read now."""
        del key  # most volumes keep no versions
        return iter(())

    def availability(self, key: str) -> Availability:
        """Say whether an object can be read now, and if not, what is known of when. Raises ObjectNotFoundError.

        A volume that answers at once says ONLINE of everything.
        """
        self.stat(key)
        return ONLINE

    def recall(self, key: str, *, urgency: Urgency, keep: timedelta) -> Availability:
        """Ask for an archived object to be readable for `keep`; return what became of it. Durable on return.

        Asked again while REQUESTED it changes nothing, or makes it ready sooner if it is more urgent now and the
        volume can do that; asked again while READY it stays readable at least for `keep` from now on. On a volume that
        answers at once it does nothing. Raises ObjectNotFoundError.
        """
        del urgency, keep
        return self.availability(key)

    def lock(self, key: str, *, keep_until: datetime | None = None) -> datetime | None:
        """Promise not to remove an object before a date, or renew that, never beyond `keep_until`; return that date.

        None on a volume that promises nothing. Raises ObjectNotFoundError.
        """
        del keep_until
        self.stat(key)
        return None

    def hold(self, key: str, *, on: bool) -> bool:
        """Let the volume itself refuse to remove an object, whatever its lock, or not any more; return whether it can
        (S3 with Object Lock). Raises ObjectNotFoundError."""
        del on
        self.stat(key)
        return False

    def sweep(self, may_go: Callable[[str], bool]) -> int:
        """Remove for good what is hidden (`delete_many`, or somebody else), not locked any more, and `may_go`, and what
        uploads left that nobody continues; return how many objects are still locked."""
        del may_go
        return 0

    @abstractmethod
    def stat(self, key: str) -> ObjectStat:
        """Return an object's length. Raises ObjectNotFoundError."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """Yield all objects whose keys start with `prefix`, by key; unfinished uploads are not among them."""

    def delete(self, key: str) -> None:
        """Remove one object; it stays removed after a power cut. Raises ObjectNotFoundError."""
        if self.delete_many([key]) == 0:
            raise ObjectNotFoundError(f"volume {self.name}: no object {key}", volume=self.name, key=key)

    @abstractmethod
    def delete_many(self, keys: Iterable[str]) -> int:
        """Remove those that exist, syncing each directory once; return how many existed.

        Afterwards none of the keys is there, durably, also if another process removed some a moment ago.
        Raises ObjectLockedError, with the latest date, if the volume has promised to keep some of them: these are
        hidden as if they were removed, all others are gone, and `sweep` removes them when the date has passed. What is
        on legal hold is not even hidden.
        """

    @abstractmethod
    def replace(self, key: str, data: bytes) -> None:
        """Put `data` under `key` in one durable step: after a power cut the object is the old or the new one.

        For small documents (identity, keyring, notes), which may use the reserve.
        """

    @abstractmethod
    def append(self, key: str, data: bytes, expected_size: int | None = None) -> None:
        """Append `data` durably, creating the object if need be; may use the reserve.

        With `expected_size`, in bytes before the append (0: absent or empty), any other size is refused with
        ObjectChangedError. After a power cut a prefix of `data` may be there; after an error too, if it cannot be
        cut off again.
        """

    @abstractmethod
    def truncate(self, key: str, size_bytes: int) -> None:
        """Cut the object to `size_bytes`, durably (a torn tail). Raises ObjectNotFoundError; never lengthens."""

    @abstractmethod
    def probe(self) -> VolumeState:
        """Look at the volume as it is now. Cheap; never raises."""

    @property
    @abstractmethod
    def is_suspect(self) -> bool:
        """Whether a sync failed since this volume was opened."""

    @abstractmethod
    def identity(self) -> VolumeIdentity | None:
        """Return the identity found on the volume, None if it is missing or damaged."""

    @abstractmethod
    def device(self) -> DeviceRecord:
        """Return what the volume lies on now, to be recorded and given back at the next opening."""

    @abstractmethod
    def initialise(self, identity: VolumeIdentity) -> DeviceRecord:
        """Make a new, empty place this volume; return what to record. Done already, it does nothing.

        Raises UsageError if the place is not empty or belongs to another volume.
        """

    def adopt(self, identity: VolumeIdentity, *, on_this_device: bool = False) -> DeviceRecord:
        """Give an EMPTIED volume its identity back; what is there stays. Return what to record.

        `on_this_device`: the operator vouches for whatever device is there now (then UNMOUNTED is accepted).
        Raises VolumeUnavailableError if it is missing, another volume, or on a device nobody vouched for.
        """
        state = self.probe()
        accepted = {VolumeState.EMPTIED, VolumeState.READY}
        if on_this_device:
            accepted.add(VolumeState.UNMOUNTED)
        if state not in accepted:
            raise unavailable(self.name, state)
        found = self.identity()
        if found is not None and not found.is_same(identity):
            raise unavailable(self.name, VolumeState.WRONG)
        return self.settle(identity, write=found is None)

    @abstractmethod
    def settle(self, identity: VolumeIdentity, *, write: bool) -> DeviceRecord:
        """From now on be this volume on this device, writing the identity first if asked to (for `adopt` alone)."""

    def _check_size(self, key: str, size: int, expected_size: int | None) -> None:
        """Refuse an append to an object of another size than expected."""
        if expected_size not in (None, size):
            raise ObjectChangedError(
                f"volume {self.name}: {key} has {size} bytes, {expected_size} were expected",
                hint="another process wrote to it, or its end is torn: read it again",
                volume=self.name,
                key=key,
            )

    @abstractmethod
    def incoming_sessions(self) -> set[str]:
        """Return the sessions that have unfinished uploads here (`document`: a `replace` that was cut off)."""

    @abstractmethod
    def discard_incoming(self, session: str) -> int:
        """Remove all unfinished uploads of a session that is over; return how many there were."""

    @abstractmethod
    def free_bytes(self) -> int | None:
        """Return the bytes that can still be written, the reserve included; None where nobody can tell (a bucket)."""

    @abstractmethod
    def total_bytes(self) -> int | None:
        """Return the size of the medium; None where it has none."""
