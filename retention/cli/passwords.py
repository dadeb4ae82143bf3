"""Passwords of accounts: from the environment, from a file it names, or typed on the terminal, twice."""

from __future__ import annotations

import os
from getpass import getpass
from pathlib import Path

from retention.cli.invocation import current

VARIABLE = "RETENTION_PASSWORD"
FILE_VARIABLE = "RETENTION_PASSWORD_FILE"


def new_password() -> str:
    """Return a new password. Raises UsageError when nobody is there to ask, or two do not agree."""
    file = os.environ.get(FILE_VARIABLE)
    if file:
        return Path(file).read_text("utf-8").rstrip("\r\n")
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given
    first = _typed("account.password")
    if first != _typed("account.again"):
        raise current.usage_error("account.differ")
    return first


def _typed(key: str) -> str:
    """Ask on the terminal, whatever stdin and stdout are."""
    if not os.path.exists("/dev/tty"):
        raise current.usage_error("account.no_password")
    try:
        return getpass(current.say(key))
    except (OSError, EOFError):
        raise current.usage_error("account.no_password") from None
