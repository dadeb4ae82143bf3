"""AES-256-GCM under random nonces: how keys are wrapped by other keys, and journal payloads sealed.

docs/journal.md §3.3 and §4.3. What is bound as associated data must be the same when opening: a wrapped key that was
moved to another record, kind or owner does not open.
"""

from __future__ import annotations

import os

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import KeyId

NONCE_BYTES = 12
TAG_BYTES = 16


def seal(key: bytes, plain: bytes, associated: bytes) -> bytes:
    """Return nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, associated)


def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    """Return what was sealed; None when key, bytes or associated data are not those."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        return None
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except InvalidTag:
        return None


def seal_payload(key_id: KeyId, secret: bytes, plain: bytes) -> bytes:
    """Return a journal payload encrypted under a key of the keyring (docs/journal.md §3.3).

    The key itself is not used, but one derived from it: a package key also encrypts blocks, with nonces of its own.
    """
    return seal(_payload_key(secret), plain, _payload_data(key_id))


def open_payload(key_id: KeyId, secret: bytes, sealed: bytes) -> bytes:
    """Return what `seal_payload` sealed. Raises KeyUnavailableError when it was not with this key."""
    plain = unseal(_payload_key(secret), sealed, _payload_data(key_id))
    if plain is None:
        raise KeyUnavailableError(
            "the key does not open this journal payload", hint="retention keys status", key=key_id
        )
    return plain


def _payload_key(secret: bytes) -> bytes:
    return blake3(secret, derive_key_context="retention v1 payload").digest()


def _payload_data(key_id: KeyId) -> bytes:
    return f"retention/payload/v1|{key_id}".encode("ascii")
