"""Payloads: what one key sealed, that key opens and no other."""

from __future__ import annotations

import pytest

from retention.keyring.institutions import OpenKey
from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import KeyId, new_id
from retention.services import payloads


def key() -> OpenKey:
    return OpenKey(KeyId(new_id()), bytes.fromhex(new_id() + new_id()))


def test_a_payload_comes_back_under_its_own_key():
    own = key()
    assert payloads.unseal(payloads.seal({"reason": "an appeal"}, own), own) == {"reason": "an appeal"}


def test_no_other_key_and_no_changed_byte_opens_it():
    own = key()
    sealed = payloads.seal({"reason": "an appeal"}, own)
    for wrong in (key(), OpenKey(key().key_id, own.secret), OpenKey(own.key_id, key().secret)):
        with pytest.raises(KeyUnavailableError):
            payloads.unseal(sealed, wrong)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(KeyUnavailableError):
            payloads.unseal(bytes(changed), own)


def test_equal_bodies_are_never_sealed_equally():
    own = key()
    assert payloads.seal({"a": 1}, own) != payloads.seal({"a": 1}, own)
    assert b"appeal" not in payloads.seal({"reason": "an appeal"}, own)
