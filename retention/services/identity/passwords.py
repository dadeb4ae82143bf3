"""Passwords: hashed with Argon2id (RFC 9106), checked in the same time whether there is an account or not.

The invariant: what one check costs in memory is spent a few times at once and never more, whoever asks.
"""

from __future__ import annotations

import threading
import unicodedata
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from retention.model.errors import BusyError, UsageError

SHORTEST = 12
LONGEST_BYTES = 1024
AT_ONCE, IN_TURN = 2, 8
"""So many are checked at once, and so many may be under way: who comes then is sent away, and holds no thread."""


class Passwords:
    """Makes and checks hashes. Used by many threads."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._places = threading.BoundedSemaphore(IN_TURN)

    def hash(self, password: str) -> bytes:
        """Return what is kept of a password. Raises UsageError for one that is too short or too long."""
        plain = _plain(password)
        if len(unicodedata.normalize("NFC", password)) < SHORTEST or len(plain) > LONGEST_BYTES:
            raise UsageError(
                f"a password has {SHORTEST} characters at least, and {LONGEST_BYTES} bytes at most",
                hint="several words are easier to remember than signs",
            )
        return self._hasher.hash(plain).encode("ascii")

    def is_right(self, secret: bytes | None, password: str) -> bool:
        """Whether this is the password of that hash; with None it never is, and takes as long to say.

        Raises BusyError when too many are being checked.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("too many passwords are being checked", hint="try again in a moment")
        try:
            with self._turns:
                return self._is_same(secret, _plain(password)) and secret is not None
        finally:
            self._places.release()

    def _is_same(self, secret: bytes | None, plain: bytes) -> bool:
        kept = self._nobodys if secret is None else secret.decode("ascii", "replace")
        try:
            return len(plain) <= LONGEST_BYTES and self._hasher.verify(kept, plain)
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(b"nobody's")


def _plain(password: str) -> bytes:
    """Return a password's bytes; the same characters typed on another keyboard are the same password."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
