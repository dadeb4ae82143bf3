"""From errors to exit codes: the one table of this edge. A test holds that every class of error has its code."""

from __future__ import annotations

from retention.model import errors

DONE = 0
FAILED = 1
USAGE = 2
PARTIAL = 3
FINDINGS = 4
INVALID_FILE = 5
NOT_FOUND = 6
NO_ARCHIVE = 10
LOCKED = 11
NOT_ALLOWED = 12
NOT_READY = 75
INTERRUPTED = 130

_CODES: dict[type[errors.RetentionError], int] = {
    errors.RetentionError: FAILED,
    errors.UsageError: USAGE,
    errors.SettingsError: INVALID_FILE,
    errors.PolicyError: INVALID_FILE,
    errors.NotFoundError: NOT_FOUND,
    errors.RefusedError: NOT_ALLOWED,
    errors.ArchiveError: NO_ARCHIVE,
    errors.LockedError: LOCKED,
    errors.RecallPendingError: NOT_READY,
    errors.NotReadyError: NOT_READY,
    errors.ObjectLockedError: NOT_ALLOWED,
}


def exit_code_of(error: errors.RetentionError) -> int:
    """Return the exit code of an error: that of its nearest class in the table."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
