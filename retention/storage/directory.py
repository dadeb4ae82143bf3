"""The directory driver: a volume on any file system that can be mounted.

The invariant is the contract's, by these steps: a new object is written to `incoming/` on the same file system
(`O_EXCL`), synced, renamed to its key without replacing anything, and its directory synced. An open volume knows its
identity file by inode and time, so each write begins with one cheap look that the volume is still there; when
anything about that file has changed it is looked at as a whole again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from retention.model.errors import ObjectNotFoundError, StorageError, UsageError, VolumeUnavailableError
from retention.model.layout import VolumeSpec
from retention.storage.directory_objects import DirectoryReader, DirectoryUpload, create, write_all
from retention.storage.identity import IDENTITY_KEY, DeviceRecord, VolumeIdentity, device_of
from retention.storage.names import DIRECTORY_MODE, Names
from retention.storage.os_errors import translate
from retention.storage.space import Space
from retention.storage.state import VolumeState, judge, suspect, unavailable
from retention.storage.syscalls import lock_for_append, sync_directory
from retention.storage.volume import (
    INCOMING,
    ObjectReader,
    ObjectStat,
    Upload,
    Volume,
    check_key,
    check_session,
    check_writable,
    is_key,
)

_NOT_CONTENT = frozenset({"lost+found", INCOMING})
OWN_FOLDERS = frozenset({"journal/", "keyring/", "seals/"})
"""What is kept on several volumes lies on each of them: behind a link, two could be one."""
_APPEND = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_IDENTITY_LIMIT_BYTES = 1 << 16


class DirectoryVolume(Volume):
    """A volume in the directory `root`.

    `expected` is the identity recorded for it and `recorded` the device, both None when nothing is known yet.
    `reserve_bytes` is kept free of packages (None: 64 MiB or 1%, whichever is smaller).
    """

    supports_append = True

    def __init__(
        self,
        spec: VolumeSpec,
        root: os.PathLike[str] | str,
        *,
        expected: VolumeIdentity | None = None,
        recorded: DeviceRecord | None = None,
        reserve_bytes: int | None = None,
    ) -> None:
        self.spec = spec
        self._root = os.fspath(Path(root).absolute())
        self._expected = expected
        self._recorded = recorded
        self._names = Names(spec.name, self._root)
        self._space = Space(spec.name, self._root, reserve_bytes)
        self._identity_path = Path(self._root, IDENTITY_KEY)
        self._ready_stamp: tuple[int, ...] | None = None

    # objects, put once

    def begin(self, key: str, session: str) -> Upload:
        self._require_ready()
        check_key(key)
        temporary = self._temporary(session)
        try:
            return self._upload(key, temporary)
        except FileNotFoundError:
            with self._translated(key):
                self._names.make_parents(self._identity_path, f"{INCOMING}/")
                return self._upload(key, temporary)
        except OSError as error:
            raise self._translate(error, key) from error

    def flush(self) -> None:
        self._names.flush()

    def open(self, key: str, *, from_medium: bool = False) -> ObjectReader:
        self._require_readable()
        with self._translated(check_key(key)):
            return DirectoryReader(key, self._names.path(key), self.name, from_medium=from_medium)

    def stat(self, key: str) -> ObjectStat:
        self._require_readable()
        with self._translated(check_key(key)):
            found = Path(self._names.path(key)).lstat()
        if not stat.S_ISREG(found.st_mode):
            raise ObjectNotFoundError(f"volume {self.name}: {key} is not a file", volume=self.name, key=key)
        version = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_size}"
        return ObjectStat(key, found.st_size, version)

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        self._require_readable()
        folder = prefix.rpartition("/")[0]
        return self._walk(f"{check_key(folder)}/" if folder else "", prefix)

    def delete_many(self, keys: Iterable[str]) -> int:
        self._require_ready()
        touched, count = [], 0
        for key in keys:
            path = Path(self._names.path(check_key(key)))
            try:
                path.unlink()
                count += 1
            except FileNotFoundError:
                if not path.parent.is_dir():
                    continue
            except OSError as error:
                raise self._translate(error, key) from error
            touched.append(key)
        if touched:
            self._names.sync_now(*touched)
        return count

    # documents

    def replace(self, key: str, data: bytes) -> None:
        self._require_ready()
        self._replace(check_writable(key), data)

    def append(self, key: str, data: bytes, expected_size: int | None = None) -> None:
        self._require_ready()
        with self._translated(check_writable(key)):
            descriptor = self._open_for_append(key, expected_size)
            try:
                # The lock makes looking at the size and appending one step, also between processes.
                lock_for_append(descriptor)
                size = os.fstat(descriptor).st_size
                self._check_size(key, size, expected_size)
                if size == 0:
                    # The name first: so an object that is not empty is known to have a durable one.
                    self._names.sync_now(key)
                self._append_to(descriptor, data, size)
                self._sync(descriptor, key)
            finally:
                os.close(descriptor)

    def truncate(self, key: str, size_bytes: int) -> None:
        self._require_ready()
        with self._translated(check_writable(key)):
            descriptor = os.open(self._names.path(key), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                lock_for_append(descriptor)
                if os.fstat(descriptor).st_size > size_bytes:
                    os.ftruncate(descriptor, size_bytes)
                    self._sync(descriptor, key)
            finally:
                os.close(descriptor)

    # the volume itself

    def probe(self) -> VolumeState:
        self._ready_stamp = None
        try:
            here = device_of(Path(self._root))
            stamp, found = self._read_identity()
        except OSError:
            return VolumeState.MISSING
        state = judge(self.name, found=found, expected=self._expected, here=here, recorded=self._recorded)
        if state is not VolumeState.READY:
            return state
        if self._names.is_suspect:
            return VolumeState.SUSPECT
        if not os.access(self._root, os.W_OK | os.X_OK):
            return VolumeState.READ_ONLY
        self._ready_stamp = stamp
        return state

    @property
    def is_suspect(self) -> bool:
        return self._names.is_suspect

    def identity(self) -> VolumeIdentity | None:
        try:
            return self._read_identity()[1]
        except OSError as error:
            raise self._translate(error, IDENTITY_KEY) from error

    def device(self) -> DeviceRecord:
        try:
            return device_of(Path(self._root))
        except OSError as error:
            raise unavailable(self.name, VolumeState.MISSING) from error

    def initialise(self, identity: VolumeIdentity) -> DeviceRecord:
        root = Path(self._root)
        with self._translated(IDENTITY_KEY):
            with contextlib.suppress(FileExistsError):
                root.mkdir(DIRECTORY_MODE)
                sync_directory(root.parent)
            found = self._read_identity()[1]
            if found is None and {entry.name for entry in root.iterdir()} - _NOT_CONTENT:
                raise UsageError(f"volume {self.name}: {self._root} is not empty", volume=self.name)
            if found is not None and not found.is_same(identity):
                raise UsageError(f"volume {self.name}: {self._root} is another volume", volume=self.name)
        return self.settle(identity, write=found is None)

    def incoming_sessions(self) -> set[str]:
        return {name.rpartition("-")[0] for name in self._incoming()}

    def discard_incoming(self, session: str) -> int:
        self._require_ready()
        prefix = f"{check_session(session)}-"
        names = [name for name in self._incoming() if name.startswith(prefix)]
        with self._translated(INCOMING):
            for name in names:
                Path(self._root, INCOMING, name).unlink()
        return len(names)

    def free_bytes(self) -> int:
        with self._translated(None):
            return self._space.free_bytes()

    def total_bytes(self) -> int:
        with self._translated(None):
            return self._space.total_bytes()

    # how it is done

    def _upload(self, key: str, temporary: str) -> DirectoryUpload:
        return DirectoryUpload(key, temporary, volume=self.name, names=self._names, space=self._space)

    def _temporary(self, session: str) -> str:
        return f"{self._root}/{INCOMING}/{check_session(session)}-{os.urandom(8).hex()}"

    def _replace(self, key: str, data: bytes) -> None:
        temporary = self._temporary("document")
        with self._translated(key):
            if not Path(self._root, INCOMING).is_dir():
                self._names.make_parents(Path(self._root), f"{INCOMING}/")
            descriptor = create(temporary)
            try:
                write_all(descriptor, (data,), len(data))
                self._sync(descriptor, key)
                self._names.replace(temporary, key)
            except (OSError, StorageError):
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise
            finally:
                os.close(descriptor)

    def _open_for_append(self, key: str, expected_size: int | None) -> int:
        """Return a descriptor of the object, made unless bytes are expected in it. Raises OSError."""
        path, flags = self._names.path(key), _APPEND if expected_size else _APPEND | os.O_CREAT
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._check_size(key, 0, expected_size)
            self._names.make_parents(self._identity_path, key)
            return os.open(path, flags, 0o600)

    def _append_to(self, descriptor: int, data: bytes, size: int) -> None:
        try:
            write_all(descriptor, (data,), len(data))
        except OSError:
            # A torn end that stays is found and cut by whoever reads it.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise

    def _sync(self, descriptor: int, key: str) -> None:
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise self._names.condemn(error, key) from error

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectStat]:
        """Yield the objects below `folder` (empty, or ending in `/`) in the order of their keys."""
        for name, is_folder in self._entries(folder):
            key = folder + name
            if is_folder:
                if key != INCOMING and f"{key}/".startswith(prefix[: len(key) + 1]):
                    yield from self._walk(f"{key}/", prefix)
            elif key.startswith(prefix) and is_key(key):
                try:
                    found = self.stat(key)
                except ObjectNotFoundError:  # removed meanwhile
                    continue
                yield found

    def _entries(self, folder: str) -> Sequence[tuple[str, bool]]:
        """Return names and whether they are folders, in the order of the keys below them."""
        if folder in OWN_FOLDERS and Path(self._root, folder.rstrip("/")).is_symlink():
            raise VolumeUnavailableError(
                f"{folder} on {self.name} is a link: what lies there is on another place than this volume",
                hint="put the folder itself back in its place",
                volume=self.name,
            )
        try:
            with os.scandir(f"{self._root}/{folder}") as found:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        except FileNotFoundError:
            self._require_readable(look=True)
            return []
        except OSError as error:
            raise self._translate(error, folder) from error
        return sorted(entries, key=lambda entry: f"{entry[0]}/" if entry[1] else entry[0])

    def _incoming(self) -> Iterable[str]:
        self._require_readable()
        try:
            return [entry.name for entry in Path(self._root, INCOMING).iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._translate(error, INCOMING) from error

    def _read_identity(self) -> tuple[tuple[int, ...] | None, VolumeIdentity | None]:
        """Return what is at the identity file's place: its stamp, its content if whole. Raises OSError."""
        try:
            descriptor = os.open(self._identity_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            Path(self._root).stat()
            return None, None
        try:
            stamp = _stamp(os.fstat(descriptor))
            return stamp, VolumeIdentity.decode(os.read(descriptor, _IDENTITY_LIMIT_BYTES))
        except OSError as error:
            if error.errno == errno.EIO:
                return None, None
            raise
        finally:
            os.close(descriptor)

    def settle(self, identity: VolumeIdentity, *, write: bool) -> DeviceRecord:
        if write:
            self._replace(IDENTITY_KEY, identity.encode())
        self._expected, self._recorded = identity, self.device()
        return self._recorded

    def _is_as_it_was(self) -> bool:
        try:
            return _stamp(self._identity_path.lstat()) == self._ready_stamp
        except OSError:
            return False

    def _require_ready(self) -> None:
        if self._names.is_suspect:
            raise suspect(self.name, "a sync failed earlier")
        if not self._is_as_it_was() and (state := self.probe()) is not VolumeState.READY:
            raise unavailable(self.name, state)

    def _require_readable(self, *, look: bool = False) -> None:
        if (look or not self._is_as_it_was()) and not (state := self.probe()).is_readable:
            raise unavailable(self.name, state)

    def _translate(self, error: OSError, key: str | None) -> StorageError:
        """Translate a system error; absence counts as such only on a volume that is there."""
        translated = translate(error, self.name, key)
        if isinstance(translated, ObjectNotFoundError) and not (state := self.probe()).is_readable:
            return unavailable(self.name, state)
        return translated

    @contextmanager
    def _translated(self, key: str | None) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._translate(error, key) from error


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
