"""What the operating system's refusals mean for a volume: one table, used by every operation of a driver."""

from __future__ import annotations

import errno
import os

from retention.model.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectUnreadableError,
    StorageError,
    VolumeFullError,
    VolumeUnavailableError,
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})
_TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})


def translate(error: OSError, volume: str, key: str | None = None) -> StorageError:
    """Return the storage error for a system error met while working on `key`.

    Absence is reported as such: the caller makes sure first that the volume itself is there.
    """
    code, why = error.errno, _reason(error)
    where = f"volume {volume}" + (f", {key}" if key else "")
    if code in _FULL:
        return VolumeFullError(
            f"{where}: {why}", hint="free space there, or add a volume", volume=volume, key=key
        )
    if code in _ABSENT:
        return ObjectNotFoundError(f"volume {volume}: no object {key}", volume=volume, key=key)
    if code == errno.EEXIST:
        return ObjectExistsError(f"volume {volume}: {key} exists already", volume=volume, key=key)
    if code in _TOO_MANY_FILES:
        hint = "raise the limit of open files (`ulimit -n`)"
        return StorageError(f"{where}: {why}", hint=hint, volume=volume, key=key)
    return VolumeUnavailableError(
        f"{where}: {why}", hint="look at the volume and the system's log", volume=volume, key=key
    )


def translate_read(error: OSError, volume: str, key: str) -> StorageError:
    """As `translate`, for reading bytes of an open object: a place the medium cannot read is the object's damage,
    not the volume's absence, so that an audit repairs it."""
    if error.errno == errno.EIO:
        why = f"volume {volume}: {key} cannot be read: {_reason(error)}"
        return ObjectUnreadableError(
            why, hint="an audit rebuilds it from the other shards", volume=volume, key=key
        )
    return translate(error, volume, key)


def unfinished_gone(volume: str, key: str) -> VolumeUnavailableError:
    """Return the error for an upload whose file is not there any more: discarded with its session, or with all."""
    return VolumeUnavailableError(
        f"volume {volume}: the unfinished file of {key} is gone",
        hint="look whether the volume is still there, then store it again",
        volume=volume,
        key=key,
    )


def _reason(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or errno.EIO)
