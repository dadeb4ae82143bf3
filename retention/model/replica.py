"""Replicas: equal copies of a few small files on several volumes, written together.

Journal and keyring keep their files this way and must not depend on how volumes work, so this says what they need of
one place (`Replica`) and how they write to all of them (`ReplicaSet`). The invariant: an append counts when at least
`minimum` replicas have it durably; otherwise what was written is taken back and nothing counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from retention.model.errors import (
    ObjectNotFoundError,
    RetentionError,
    VolumeFullError,
    VolumeUnavailableError,
)

_T = TypeVar("_T")


class Replica(Protocol):
    """One place that holds files by key. What returns is durable.

    Every method raises a StorageError when the place cannot do it: VolumeUnavailableError when it cannot be reached,
    VolumeFullError when nothing more fits. An absent file has no size and counts as empty where a size is expected.
    """

    @property
    def name(self) -> str:
        """The volume's name, for messages and reports."""
        ...

    def append(self, key: str, data: bytes, expected_size: int) -> None:
        """Add `data` at the end of a file of exactly `expected_size` bytes; refuse when it has another size.

        An absent file is created when 0 is expected.
        """
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Put `data` in the place of the file's whole content, at once: afterwards the old content is in no file."""
        ...

    def truncate(self, key: str, size_bytes: int) -> None:
        """Cut the file to its first `size_bytes`."""
        ...

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return up to `length` bytes from `offset`, fewer at the end. Raises ObjectNotFoundError."""
        ...

    def size(self, key: str) -> int | None:
        """Return the file's size in bytes, None when there is no such file."""
        ...

    def version(self, key: str) -> str | None:
        """Return what differs whenever the file's content does, None when there is no such file."""
        ...

    def list(self, prefix: str) -> Sequence[str]:
        """Return all keys that begin with `prefix`, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove a file; one that is absent already is no error."""
        ...


def read_if_there(replica: Replica, key: str, offset: int = 0) -> bytes | None:
    """Return a file's bytes from `offset` to its end, None when there is no such file."""
    try:
        return replica.read(key, offset)
    except ObjectNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes to be added to one file that now has `expected_size` bytes."""

    key: str
    data: bytes
    expected_size: int


@dataclass(slots=True)
class Outcome(Generic[_T]):
    """What a call gave on each replica: a result, or the error that kept it from giving one."""

    done: dict[str, _T] = field(default_factory=dict)
    failed: dict[str, RetentionError] = field(default_factory=dict)


class ReplicaSet:
    """All replicas of one thing, in order of preference. Calls go to all at once, each in a thread of a small pool."""

    def __init__(self, replicas: Sequence[Replica], minimum: int) -> None:
        if minimum < 1 or len({replica.name for replica in replicas}) != len(replicas):
            raise ValueError("replicas have different names, and at least one must take a write")
        self.replicas = tuple(replicas)
        self.minimum = minimum
        self._owed: dict[str, Sequence[Part]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._pool_lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(replica.name for replica in self.replicas)

    def close(self) -> None:
        """End the pool's threads. The set can be used again; it starts new ones."""
        with self._pool_lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def each(self, call: Callable[[Replica], _T], only: Collection[str] | None = None) -> Outcome[_T]:
        """Call every replica (or those named in `only`) and wait for all of them."""
        return self.begin(call, only)()

    def begin(
        self, call: Callable[[Replica], _T], only: Collection[str] | None = None
    ) -> Callable[[], Outcome[_T]]:
        """Start what `each` does; return what waits for it and gives its outcome."""
        chosen = [replica for replica in self.replicas if only is None or replica.name in only]
        pool = self._threads()
        futures = {replica.name: pool.submit(call, replica) for replica in chosen}
        return lambda: _outcome(futures)

    def append(self, parts: Sequence[Part], only: Collection[str] | None = None) -> Outcome[None]:
        """Add all parts, in order, to every replica (or those named in `only`); at least `minimum` must take them.

        The outcome names those that failed although enough did not. Raises VolumeFullError when every refusal was for
        space, else VolumeUnavailableError: then nothing counts, and what had been written is taken back, at once or
        (`take_back_owed`) when the replica answers again.
        """
        outcome = self.each(lambda replica: _append_parts(replica, parts), only)
        if len(outcome.done) < self.minimum:
            written = outcome.done.keys() | outcome.failed.keys()
            taken_back = self.each(lambda replica: _take_back(replica, parts), written)
            self._owed.update(dict.fromkeys(taken_back.failed, parts))
            raise self.too_few(outcome.failed, len(outcome.done), "took what was written")
        return outcome

    @property
    def owing(self) -> AbstractSet[str]:
        """The replicas that may still have what does not count."""
        return self._owed.keys()

    def take_back_owed(self) -> AbstractSet[str]:
        """Take back what could not be taken back when an append failed; return the replicas where it still cannot."""
        if self._owed:
            taken_back = self.each(lambda replica: _take_back(replica, self._owed[replica.name]), self._owed)
            for name in taken_back.done:
                del self._owed[name]
        return self.owing

    def too_few(self, failed: dict[str, RetentionError], done: int, what: str) -> RetentionError:
        """Return the error that says why fewer than `minimum` replicas did something."""
        reasons = "; ".join(f"{name}: {error.message}" for name, error in failed.items())
        full = bool(failed) and all(isinstance(error, VolumeFullError) for error in failed.values())
        kind = VolumeFullError if full else VolumeUnavailableError
        return kind(
            f"{done} of {len(self.replicas)} replicas {what}, {self.minimum} are needed ({reasons})",
            hint="make room on these volumes" if full else "bring these volumes back: retention volume check",
            replicas=sorted(failed),
        )

    def _threads(self) -> ThreadPoolExecutor:
        with self._pool_lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max(1, len(self.replicas)), thread_name_prefix="replica")
            return self._pool


def _outcome(futures: Mapping[str, Future[_T]]) -> Outcome[_T]:
    """Wait for all calls; what is no RetentionError is a bug, and raised when all have ended."""
    outcome: Outcome[_T] = Outcome()
    bugs: list[BaseException] = []
    for name, future in futures.items():
        error = future.exception()
        if error is None:
            outcome.done[name] = future.result()
        elif isinstance(error, RetentionError):
            outcome.failed[name] = error
        else:
            bugs.append(error)
    if bugs:
        raise bugs[0]
    return outcome


def _append_parts(replica: Replica, parts: Sequence[Part]) -> None:
    for part in parts:
        replica.append(part.key, part.data, part.expected_size)


def _take_back(replica: Replica, parts: Sequence[Part]) -> None:
    """Cut off what of `parts` this replica has. What somebody else appended there is not ours to cut."""
    for part in reversed(parts):
        beyond = read_if_there(replica, part.key, part.expected_size)
        if beyond is None or not part.data.startswith(beyond):
            continue
        if part.expected_size == 0:
            replica.delete(part.key)
        elif beyond:
            replica.truncate(part.key, part.expected_size)
