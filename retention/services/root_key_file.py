"""The file with the root key, outside every volume: written once, whole and durable, readable by its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from retention.keyring.rootkey import read_root_key, write_root_key
from retention.model.errors import KeyUnavailableError, UsageError
from retention.settings.environment import root_key_path
from retention.storage.syscalls import sync_directory


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner reads, durably. Raises FileExistsError, OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    for folder in (path.parent, path.parent.parent):  # the name of the most precious file is durable too
        sync_directory(folder)


def write_root_key_file(path: Path, secret: bytes) -> None:
    """Write a new root key file. Raises FileExistsError, OSError."""
    write_private(path, write_root_key(secret))


def read_root_key_file(path: Path) -> bytes:
    """Return the root key. Raises KeyUnavailableError."""
    try:
        text = path.read_text()
    except OSError as error:
        raise KeyUnavailableError(
            f"the root key {path} cannot be read: {error.strerror}",
            hint="put it back, name it with RETENTION_ROOT_KEY_FILE, or write it anew: retention keys recover",
        ) from error
    return read_root_key(text)


def root_key_of(root: Path) -> bytes:
    """Return the root key of the archive in a folder. Raises KeyUnavailableError."""
    return read_root_key_file(root_key_path(root, os.environ))


def recover_root_key_file(root: Path, secret: bytes) -> Path:
    """Write the root key file anew, where there is none; return where. Raises UsageError, OSError."""
    path = root_key_path(root, os.environ)
    if path.exists():
        raise UsageError(
            f"there is a root key file {path} already",
            hint="if it is the wrong one, move it away first; retention keys drill only tries",
        )
    write_root_key_file(path, secret)
    return path
