"""Encryption of blocks and manifests (format §6): one data key a package, a nonce never used twice.

A package is written once, in one go, under a key made for this attempt; the nonce is the block number.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from retention.model.digests import blake3_digest
from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import InstitutionId, PackageId

KEY_BYTES = 32
TAG_BYTES = 16
_MANIFEST_NONCE = b"\xff" * 12
MAX_PARTS = 1 << 32
MAX_INSTANCES = 1 << 32


def new_data_key() -> bytes:
    """Return a new random 256-bit data key."""
    return os.urandom(KEY_BYTES)


def block_number(ordinal: int, part: int) -> int:
    """Return the number of a block: instance ordinal and part within the instance."""
    if not 0 <= part < MAX_PARTS or not 0 <= ordinal < MAX_INSTANCES:
        raise ValueError(f"no block number for instance {ordinal}, part {part}")
    return ordinal * MAX_PARTS + part


@dataclass(frozen=True, slots=True, repr=False)
class Sealer:
    """Encrypts and decrypts what belongs to one package."""

    _cipher: AESGCM
    _binding: bytes

    @classmethod
    def of(cls, key: bytes, package: PackageId, institution: InstitutionId) -> Sealer:
        return cls(AESGCM(key), bytes.fromhex(package) + bytes.fromhex(institution))

    def seal_block(self, number: int, packing: int, packed: bytes) -> bytes:
        """Return ciphertext and tag of one packed block."""
        return self._cipher.encrypt(number.to_bytes(12, "big"), packed, self._block_data(number, packing))

    def open_block(self, number: int, packing: int, sealed: bytes) -> bytes:
        """Return the packed block. Raises KeyUnavailableError when key, place or bytes are not the ones sealed."""
        return self._open(number.to_bytes(12, "big"), sealed, self._block_data(number, packing))

    def seal_manifest(self, public: bytes, private: bytes) -> bytes:
        return self._cipher.encrypt(_MANIFEST_NONCE, private, self._manifest_data(public))

    def open_manifest(self, public: bytes, sealed: bytes) -> bytes:
        """Return the private part. Raises KeyUnavailableError as open_block does."""
        return self._open(_MANIFEST_NONCE, sealed, self._manifest_data(public))

    def _open(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        try:
            return self._cipher.decrypt(nonce, sealed, associated)
        except InvalidTag as error:
            raise KeyUnavailableError(
                "the data key does not open this package",
                hint="check that the keyring belongs to this archive: retention keys status",
            ) from error

    def _block_data(self, number: int, packing: int) -> bytes:
        return b"retention/1/block" + self._binding + number.to_bytes(8, "big") + bytes([packing])

    def _manifest_data(self, public: bytes) -> bytes:
        return b"retention/1/manifest" + self._binding + blake3_digest(public)
