"""Checkpoints and signed notes: the forms of C2SP, and that no byte of them can be changed unseen."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from retention.journal.checkpoint import Checkpoint, Note, Signer, VerifierKey, cosign, sign

# The example of golang.org/x/mod/sumdb/note, which C2SP signed-note writes down.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def signer(name: str = "retention/a", seed: int = 1) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def test_the_published_example_verifies():
    assert Note.parse(EXAMPLE).signers([VerifierKey.parse(PETER)]) == [VerifierKey.parse(PETER)]


def test_a_verifier_key_comes_back_from_its_text():
    key = signer().verifier
    assert VerifierKey.parse(str(key)) == key


@pytest.mark.parametrize(
    "text", ["", "a", "a+b+c", PETER.replace("c74f20a3", "c74f20a4"), PETER[:-4], f"{PETER}+"]
)
def test_what_is_no_verifier_key_is_refused(text: str):
    with pytest.raises(ValueError, match=r"verifier key|Base64"):
        VerifierKey.parse(text)


@given(st.integers(0, 2**53), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_comes_back_from_its_text(size: int, root: bytes):
    checkpoint = Checkpoint("retention/a", size, root, ("previous 3",))
    assert Checkpoint.parse(checkpoint.text()) == checkpoint


@pytest.mark.parametrize("text", ["", "a\n", "a\n01\nAAAA\n", "a\n1\nAAAA\n", "a\n1\nAAAA", "a\n-1\nAAAA\n"])
def test_what_is_no_checkpoint_is_refused(text: str):
    with pytest.raises(ValueError):  # noqa: PT011  # each says something of its own
        Checkpoint.parse(text)


def test_two_who_signed_are_both_found_and_a_third_is_not():
    own, other, stranger = signer(), signer("witness", 2), signer("stranger", 3)
    note = cosign(sign("a\n", own), other)
    assert note.signers([stranger.verifier, other.verifier, own.verifier]) == [other.verifier, own.verifier]


def test_no_byte_of_a_note_can_be_changed_unseen():
    own = signer()
    text = sign(Checkpoint("retention/a", 7, bytes(32)).text(), own).encode().encode()
    for place in range(len(text)):
        changed = bytearray(text)
        changed[place] ^= 1
        try:
            signers = Note.parse(bytes(changed).decode()).signers([own.verifier])
        except ValueError:
            continue
        assert signers == []
