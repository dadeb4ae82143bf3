"""Digests are BLAKE3 and SHA-256 as published."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from retention.model.digests import ReceivedDigests, blake3_digest, keyed_digest


def test_blake3_of_nothing_is_the_published_value():
    assert blake3_digest(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_the_published_keyed_vector_holds():
    # BLAKE3 test_vectors.json, input_len 0, key "whats the Elvish word for friend"
    expected = "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"
    assert keyed_digest(b"whats the Elvish word for friend", b"").hex() == expected


@given(st.lists(st.binary()))
def test_digests_of_a_stream_are_those_of_its_bytes(pieces):
    digests = ReceivedDigests()
    for piece in pieces:
        digests.update(piece)
    whole = b"".join(pieces)
    assert digests.blake3() == blake3_digest(whole)
    assert digests.sha256() == hashlib.sha256(whole).digest()
