"""Digests. BLAKE3 for everything we check ourselves; SHA-256 beside it for outsiders' tools and algorithm agility."""

from __future__ import annotations

import hashlib

from blake3 import blake3

DIGEST_BYTES = 32


def blake3_digest(data: bytes | bytearray | memoryview) -> bytes:
    """Return the 32-byte BLAKE3 digest."""
    return blake3(data).digest()


def keyed_digest(key: bytes, data: bytes, length: int = DIGEST_BYTES) -> bytes:
    """Return `length` bytes of keyed BLAKE3 (a MAC). `key` is 32 bytes."""
    return blake3(data, key=key).digest(length=length)


class ReceivedDigests:
    """BLAKE3 and SHA-256 of bytes as they stream by."""

    def __init__(self) -> None:
        self._blake3 = blake3()
        self._sha256 = hashlib.sha256()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self._blake3.update(data)
        self._sha256.update(data)

    def blake3(self) -> bytes:
        return self._blake3.digest()

    def sha256(self) -> bytes:
        return self._sha256.digest()
