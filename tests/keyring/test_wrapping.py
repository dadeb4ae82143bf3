"""Sealing under AES-256-GCM, and journal payloads as documented."""

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from retention.keyring.wrapping import open_payload, seal, seal_payload, unseal
from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import KeyId

KEY = b"k" * 32
KEY_ID = KeyId("1" * 32)


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_was_sealed_opens_with_the_same_key_and_data_only(plain, associated):
    sealed = seal(KEY, plain, associated)
    assert unseal(KEY, sealed, associated) == plain
    assert unseal(b"x" * 32, sealed, associated) is None
    assert unseal(KEY, sealed, associated + b"x") is None
    assert unseal(KEY, sealed[:-1], associated) is None


def test_sealing_twice_gives_different_bytes():
    assert len({seal(KEY, b"the same", b"") for _ in range(5)}) == 5


@pytest.mark.parametrize("sealed", [b"", bytes(27), bytes(28), bytes(60)])
def test_what_was_not_sealed_does_not_open(sealed):
    assert unseal(KEY, sealed, b"") is None


def test_a_payload_opens_as_documented():
    sealed = seal_payload(KEY_ID, KEY, b"about a patient")
    derived = blake3(KEY, derive_key_context="retention v1 payload").digest()
    data = b"retention/payload/v1|" + b"1" * 32
    assert AESGCM(derived).decrypt(sealed[:12], sealed[12:], data) == b"about a patient"
    assert open_payload(KEY_ID, KEY, sealed) == b"about a patient"


def test_a_payload_does_not_open_with_another_key():
    sealed = seal_payload(KEY_ID, KEY, b"about a patient")
    for key_id, secret in ((KeyId("2" * 32), KEY), (KEY_ID, b"x" * 32)):
        with pytest.raises(KeyUnavailableError):
            open_payload(key_id, secret, sealed)
