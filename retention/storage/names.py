"""The names on a directory volume: how they appear, when they are durable, and whether its syncs can be believed.

The invariant: after `flush` returns, every name published before it survives a power cut, whoever published it. One
lock covers a whole flush, so that nobody's flush returns while another's is still syncing the same directory; and
directories are noted as touched before anybody can rely on them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from retention.model.errors import VolumeSuspectError
from retention.storage.state import suspect
from retention.storage.syscalls import rename_put_once, sync_directory

DIRECTORY_MODE = 0o700
_SYNC_THREADS = 8


class Names:
    """The names below `root`. Methods raise OSError, except where they say otherwise."""

    def __init__(self, volume: str, root: str) -> None:
        self._volume = volume
        self._root = root
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._touched: set[str] = set()
        self.is_suspect = False

    def path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def condemn(self, error: OSError, what: str) -> VolumeSuspectError:
        """Note that a sync of `what` failed and return the error that says so."""
        self.is_suspect = True
        return suspect(self._volume, f"{what} could not be synced ({error.strerror})")

    def publish(self, temporary: str, key: str) -> None:
        """Give a file its key, unless it is taken (FileExistsError); durable after `flush`."""
        target = self.path(key)
        try:
            rename_put_once(temporary, target)
        except FileNotFoundError:
            self.make_parents(temporary, key)
            rename_put_once(temporary, target)
        with self._lock:
            self._touched.add(_folder(target))

    def replace(self, temporary: str, key: str) -> None:
        """Give a file its key in place of what has it, durably. Raises VolumeSuspectError."""
        target = self.path(key)
        try:
            Path(temporary).rename(target)
        except FileNotFoundError:
            self.make_parents(temporary, key)
            Path(temporary).rename(target)
        self.sync_now(key)

    def make_parents(self, witness: str | Path, key: str) -> None:
        """Make the directories of a key; they are durable after the next `flush`.

        `witness` is a file that must be there (FileNotFoundError): if it is gone, so is the volume, and nothing may
        be made in an empty mount point. The lock is held until all directories are noted: whoever publishes into
        one of them meanwhile notes his own only after that.
        """
        Path(witness).stat()
        with self._lock:
            path = self._root
            for segment in key.split("/")[:-1]:
                parent, path = path, f"{path}/{segment}"
                try:
                    Path(path).mkdir(DIRECTORY_MODE)
                except FileExistsError:
                    continue
                self._touched.add(parent)

    def sync_now(self, *keys: str) -> None:
        """Make the names of these keys durable, and whatever else is waiting. Raises VolumeSuspectError."""
        with self._lock:
            self._touched.update(_folder(self.path(key)) for key in keys)
        self.flush()

    def flush(self) -> None:
        """Sync each touched directory once. Raises VolumeSuspectError, now and ever after, if one fails."""
        with self._flushing:
            if self.is_suspect:
                raise suspect(self._volume, "a sync failed earlier")
            with self._lock:
                touched, self._touched = self._touched, set()
            for directory, error in _sync_all(sorted(touched)):
                raise self.condemn(error, directory.removeprefix(f"{self._root}/")) from error


def _sync_all(directories: Sequence[str]) -> list[tuple[str, OSError]]:
    """Sync directories, several at once; return those that failed.

    Each sync ends with a flush of the device's own cache, and devices do those that wait together as one: 256
    directories measured 564 ms one after another and 27 ms by four threads.
    """

    def sync(directory: str) -> OSError | None:
        try:
            sync_directory(directory)
        except OSError as error:
            return error
        return None

    if len(directories) <= 1:
        errors = [sync(directory) for directory in directories]
    else:
        with ThreadPoolExecutor(min(_SYNC_THREADS, len(directories))) as pool:
            errors = list(pool.map(sync, directories))
    return [
        (directory, error) for directory, error in zip(directories, errors, strict=True) if error is not None
    ]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
