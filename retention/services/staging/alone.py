"""One closer at a time, over all processes of this machine: two would pack the same studies and race to remove them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retention.model.errors import ArchiveError, LockedError


@contextmanager
def closing_alone(root: Path) -> Iterator[None]:
    """Hold the closer's place. Raises LockedError when another process has it."""
    path = root / "closer"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LockedError(
            "this archive is being served by another process already", hint="stop that one first"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
