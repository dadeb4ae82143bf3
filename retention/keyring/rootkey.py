"""The root key: the one secret from which all others can be opened, kept in a file outside every volume.

Pure functions between its text and its bytes (docs/journal.md §4.4). The file has mode 0600; who writes it sees to
that. Errors never repeat what stood in the file.
"""

from __future__ import annotations

import os
import re

from blake3 import blake3

from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import ID_BYTES, KeyId

KEY_BYTES = 32
MARK = "RETENTION-ROOT-KEY-1"

_DIGITS = re.compile(r"[0-9a-fA-F]{64}\Z")
_HINT = "put the right file in its place, or write it anew: retention keys recover"


def new_secret() -> bytes:
    """Return a new random 256-bit key, for a root key as for any other."""
    return os.urandom(KEY_BYTES)


def root_key_id(secret: bytes) -> KeyId:
    """Return the identifier of a root key; it does not give the key away."""
    return KeyId(blake3(secret, derive_key_context="retention v1 root key id").digest(ID_BYTES).hex())


def write_root_key(secret: bytes) -> str:
    """Return the text of the root key file. Raises ValueError for a key of another length."""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"a root key has {KEY_BYTES} bytes")
    return f"{MARK} {secret.hex()}\n"


def read_root_key(text: str) -> bytes:
    """Return the key in the text of a root key file. Raises KeyUnavailableError that says what is wrong with it."""
    words = text.split()
    if not words:
        raise KeyUnavailableError("the root key file is empty", hint=_HINT)
    if words[0] != MARK:
        kind = "of a version unknown here" if words[0].startswith("RETENTION-ROOT-KEY-") else "no root key"
        raise KeyUnavailableError(
            f"the root key file holds {kind}: it does not begin with {MARK}", hint=_HINT
        )
    if len(words) != 2 or not _DIGITS.match(words[1]):
        raise KeyUnavailableError(
            f"the root key file is damaged: {MARK} is followed by one word of 64 hexadecimal digits",
            hint=_HINT,
        )
    return bytes.fromhex(words[1])
