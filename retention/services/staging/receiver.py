"""Receiving: instances from any door are made durable in staging before they are acknowledged.

One thread appends for all who receive: what arrived while it was syncing is written together and costs one sync more,
however many instances it is (group commit). What is too large to wait in memory gets a log of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from retention.dicom.head import Head, NotKept, Unidentified, read_head
from retention.dicom.readers import BytesReader
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.model.errors import ArchiveError, InvalidDicomError, RetentionError, StorageError
from retention.model.identifiers import InstitutionId
from retention.services.sessions import Session
from retention.services.staging.facts import facts_of
from retention.services.staging.frames import FrameKind
from retention.services.staging.log import Frame, StagingLog
from retention.services.staging.places import TIER, log_name
from retention.services.stores import Stores

SMALL_BYTES = 4 << 20
"""Instances up to this size share a log."""

PART_BYTES = 8 << 20
LOG_BYTES = 64 << 20
GROUP_BYTES = 16 << 20
WRITERS = 2
"""Each with a log of its own. The second takes only what comes while the first is at it: it encrypts while that waits
for the disk."""

IDLE_S = 2.0
"""After so long without anything new a log is closed, so that it can be removed when it is packed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an instance comes from: whose it is, by which door (`dimse`, `web`), and how the sender calls itself."""

    institution: InstitutionId
    door: str
    sender: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame: Frame
    durable: Future[None]


class Receiver:
    """Takes instances for one process; a context manager. Left, everything that was handed over is durable."""

    def __init__(self, stores: Stores) -> None:
        """Begin. Raises ArchiveError when the archive's folder cannot take its session."""
        self._stores = stores
        self._session = Session(stores.root)
        tier = stores.settings.tiers.get(TIER)
        self._hot = tier.volumes if tier is not None else ()
        self._numbers = 0
        self._lock = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._is_over = False
        self._busy = 0
        self._unended: list[StagingLog] = []
        self._writers = [
            threading.Thread(target=self._run, args=(rank,), name="staging") for rank in range(WRITERS)
        ]
        for writer in self._writers:
            writer.start()

    @property
    def session(self) -> str:
        """The name of this process's session: alive as long as it is."""
        return self._session.name

    def receive(self, origin: Origin) -> Incoming:
        """Begin to take one instance: a Part 10 file, in pieces."""
        return Incoming(self, origin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_over = True
            self._lock.notify_all()
        for writer in self._writers:
            writer.join()
        self._session.__exit__(kind, error, trace)

    def now(self) -> str:
        return format_instant(self._stores.clock.now())

    def new_log(self) -> StagingLog:
        """Begin a log of this process. Raises PlacementError, VolumeFullError."""
        with self._lock:
            number, self._numbers = self._numbers, self._numbers + 1
        stores = self._stores
        return StagingLog.begin(
            log_name(self._session.name, number), stores.volumes, self._hot, stores.keyring
        )

    def make_durable(self, frame: Frame) -> Future[None]:
        """Queue the frame of a small instance; the future is done when it is durable, or has the StorageError.

        Raises ArchiveError when nothing is received any more.
        """
        waiting = _Waiting(frame, Future())
        with self._lock:
            if self._is_over:
                raise ArchiveError(
                    "nothing is received any more", hint="send it again when the archive is back"
                )
            self._queue.append(waiting)
            self._lock.notify_all()
        return waiting.durable

    def _run(self, rank: int) -> None:
        log: StagingLog | None = None
        while True:
            group = self._take(rank)
            if group is None:
                break
            if not group or (log is not None and log.size_bytes >= LOG_BYTES):
                self.end(log)
                log = None
            before = log
            if group:
                log = self._write(log, group)
            if log is not before or not group:
                self._end_others()
            if group:
                with self._lock:
                    self._busy -= 1
                    self._lock.notify_all()
        self.end(log)

    def end(self, log: StagingLog | None) -> None:
        """End a log; what cannot be ended now is tried again, and goes at the latest when this process is gone."""
        if log is not None:
            try:
                log.end()
            except StorageError:
                with self._lock:
                    self._unended.append(log)

    def _end_others(self) -> None:
        with self._lock:
            unended, self._unended = self._unended, []
        for log in unended:
            self.end(log)

    def _take(self, rank: int) -> list[_Waiting] | None:
        """Return what waits, nothing after IDLE_S, None when all is over."""
        with self._lock:
            self._lock.wait_for(lambda: (self._queue and self._busy >= rank) or self._is_over, IDLE_S)
            if not self._queue and self._is_over:
                return None
            group: list[_Waiting] = []
            if not self._is_over and self._busy < rank:
                return group
            size_bytes = 0
            while self._queue and size_bytes < GROUP_BYTES:
                waiting = self._queue.popleft()
                group.append(waiting)
                size_bytes += len(waiting.frame.data)
            self._busy += bool(group)
            return group

    def _write(self, log: StagingLog | None, group: list[_Waiting]) -> StagingLog | None:
        """Write a group, in a new log if the one there is fails; return the log to go on with."""
        frames = [waiting.frame for waiting in group]
        for attempt in (log, None):
            writing = attempt
            try:
                writing = writing or self.new_log()
                writing.append(frames)
            except RetentionError as error:
                failure: BaseException = error
                self.end(writing)
                if attempt is None:
                    break
            except BaseException as error:  # noqa: BLE001  # whoever waits has to be told, whatever it is
                failure = error
                break
            else:
                _tell(group, lambda future: future.set_result(None))
                return writing
        _tell(group, lambda future: future.set_exception(failure))
        return None


@dataclass(slots=True)
class Incoming:
    """One instance that is being received. `finish` acknowledges it; nothing is kept of one that is not finished."""

    _receiver: Receiver
    _origin: Origin
    _pieces: bytearray = field(default_factory=bytearray)
    _size_bytes: int = 0
    _log: StagingLog | None = None
    _head: bytes = b""
    _joined: bytes = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file. Raises StorageError."""
        self._pieces += data
        self._size_bytes += len(data)
        if len(self._pieces) >= PART_BYTES:
            self._write_part(FrameKind.PART, {})

    def identify(self) -> Head:
        """Return the head of what was received. Raises InvalidDicomError when it cannot be filed."""
        head = read_head(BytesReader(self._head or self._whole()))
        if isinstance(head, Unidentified):
            raise InvalidDicomError(f"{head.reason}: {head.detail}")
        if isinstance(head, NotKept):
            raise InvalidDicomError(head.reason)
        return head

    def finish(self, head: Head) -> None:
        """Make it durable: after this it may be acknowledged. Raises StorageError: then it may not."""
        durable = self.hand_over(head)
        if durable is not None:
            durable.result()

    def hand_over(self, head: Head) -> Future[None] | None:
        """Begin to make it durable: it may be acknowledged when the future is done, at once if there is none.

        So several instances of one request share a sync. Raises StorageError: then it may not be acknowledged.
        """
        meta: dict[str, JsonValue] = {
            "at": self._receiver.now(),
            "door": self._origin.door,
            "sender": self._origin.sender,
            "size": self._size_bytes,
            "sop": head.identity.sop_instance_uid,
            "study": head.identity.study_uid,
            "series": head.identity.series_uid,
            "facts": facts_of(head),
        }
        if self._log is None and self._size_bytes <= SMALL_BYTES:
            frame = Frame(FrameKind.LAST, self._origin.institution, meta, self._whole())
            return self._receiver.make_durable(frame)
        self._write_part(FrameKind.LAST, meta)
        self._receiver.end(self._log)
        self._log = None
        return None

    def abandon(self) -> None:
        """Nothing more will come, and it is not to be kept."""
        self._receiver.end(self._log)
        self._log = None

    def _whole(self) -> bytes:
        """Return what is in memory, copied once however often it is asked for."""
        if len(self._joined) != len(self._pieces):
            self._joined = bytes(self._pieces)
        return self._joined

    def _write_part(self, kind: FrameKind, meta: dict[str, JsonValue]) -> None:
        if self._log is None:
            self._head = self._whole()
            self._log = self._receiver.new_log()
        self._log.append([Frame(kind, self._origin.institution, meta, self._whole())])
        self._pieces, self._joined = bytearray(), b""


def _tell(group: Iterable[_Waiting], tell: Callable[[Future[None]], None]) -> None:
    for waiting in group:
        tell(waiting.durable)
