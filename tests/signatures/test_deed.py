"""Deeds: a signature holds for one deed and one key, and for nothing that differs in anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from retention.model.canonical import JsonValue
from retention.signatures.deed import Deed, Signature, holds
from retention.signatures.signer import FileSigner

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
DEED = Deed("a" * 32, "approval.give", "b" * 32, "c" * 32, "d" * 64, "director", "e" * 32, AT)
TEXTS = ("archive", "what", "institution", "subject", "digest", "role", "person")
SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def test_what_was_signed_holds():
    assert holds(SIGNER.sign(DEED), DEED, SIGNER.public)


@given(st.sampled_from(TEXTS), st.text(st.characters(codec="ascii"), max_size=70))
def test_no_other_deed_has_this_signature(name, text):
    other = replace(DEED, **{name: text})
    assert holds(SIGNER.sign(DEED), other, SIGNER.public) is (other == DEED)


@given(st.integers(-(10**9), 10**9).filter(bool))
def test_nor_the_same_deed_at_another_instant(microseconds):
    other = replace(DEED, at=AT + timedelta(microseconds=microseconds))
    assert not holds(SIGNER.sign(DEED), other, SIGNER.public)


@given(st.integers(0, 511))
def test_no_bit_of_a_signature_can_be_changed(bit):
    whole = SIGNER.sign(DEED)
    changed = bytearray(whole.value)
    changed[bit // 8] ^= 1 << bit % 8
    assert not holds(replace(whole, value=bytes(changed)), DEED, SIGNER.public)


@given(st.binary(min_size=32, max_size=32))
def test_no_other_key_made_it(seed):
    other = FileSigner(Ed25519PrivateKey.from_private_bytes(seed))
    assert holds(SIGNER.sign(DEED), DEED, other.public) is (seed == bytes(32))


def test_an_institution_that_is_none_is_not_one_called_none():
    nowhere = replace(DEED, institution=None)
    assert not holds(SIGNER.sign(nowhere), replace(DEED, institution="null"), SIGNER.public)


def test_it_is_written_and_read_and_nothing_else_is():
    signature = SIGNER.sign(DEED)
    assert Signature.from_json(signature.to_json()) == signature
    assert str(SIGNER).count("=") == 0  # no secret in what is shown
    refused: tuple[JsonValue, ...] = (
        None,
        {},
        {"form": "ed25519"},
        {"form": "rsa", "value": "00"},
        {"form": "ed25519", "value": "xx"},
        {"form": "sshsig-md5", "value": "00"},
        {"form": 1, "value": "00"},
    )
    for wrong in refused:
        with pytest.raises(ValueError, match=r"signature|non-hexadecimal"):
            Signature.from_json(wrong)


def test_a_form_nobody_knows_never_holds():
    assert not holds(Signature("sshsig-md5", bytes(64)), DEED, SIGNER.public)
    assert not holds(Signature("ed25519", b"short"), DEED, SIGNER.public)
