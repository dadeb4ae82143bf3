"""Passphrases of people's keys: from the environment, from a file it names, or typed on the terminal."""

from __future__ import annotations

import os
from getpass import getpass
from pathlib import Path

from retention.cli.invocation import current

VARIABLE = "RETENTION_PASSPHRASE"
FILE_VARIABLE = "RETENTION_PASSPHRASE_FILE"


def passphrase() -> bytes:
    """Return the passphrase of a key that has one. Raises UsageError when nobody is there to ask."""
    given = _given()
    return _typed("keys.passphrase") if given is None else given


def new_passphrase() -> bytes:
    """Return the passphrase of a new key; typed, it is asked for twice. Raises UsageError."""
    given = _given()
    if given is not None:
        if not given:
            raise current.usage_error("keys.no_passphrase")
        return given
    first = _typed("keys.new_passphrase")
    if not first or first != _typed("keys.again"):
        raise current.usage_error("keys.differ")
    return first


def _given() -> bytes | None:
    file = os.environ.get(FILE_VARIABLE)
    if file:
        return Path(file).read_bytes().rstrip(b"\r\n")
    text = os.environ.get(VARIABLE)
    return None if text is None else os.fsencode(text)


def _typed(key: str) -> bytes:
    """Ask on the terminal, whatever stdin and stdout are."""
    if not os.path.exists("/dev/tty"):
        raise current.usage_error("keys.no_passphrase")
    try:
        return os.fsencode(getpass(current.say(key)))
    except (OSError, EOFError):
        raise current.usage_error("keys.no_passphrase") from None
