"""A frame opens for its own log, institution and place, and for no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import InstitutionId
from retention.services.staging.frames import HEADER_BYTES, FrameHeader, FrameKind, LogCipher

OURS, THEIRS = InstitutionId("1" * 32), InstitutionId("2" * 32)
SECRET = bytes(range(32))


def sealed(data: bytes = b"pixels", number: int = 3, log: str = "a" * 16 + "-000000"):
    parts = LogCipher(SECRET, log).seal(FrameKind.LAST, number, OURS, {"sop": "1.2"}, data)
    header = FrameHeader.decode(parts[0])
    assert header is not None
    return header, parts[1], parts[2]


@given(st.binary(max_size=2000), st.integers(0, 2**40))
def test_what_was_sealed_is_what_opens(data, number):
    header, meta, body = sealed(data, number)
    cipher = LogCipher(SECRET, "a" * 16 + "-000000")
    assert cipher.open_data(header, body) == data
    assert cipher.open_meta(header, meta) == {"sop": "1.2"}
    assert header.frame_bytes == HEADER_BYTES + len(meta) + len(body)
    assert (header.number, header.institution) == (number, OURS)


@given(st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
def test_a_changed_header_is_none(position, flip):
    header, _, _ = sealed()
    changed = bytearray(header.encode())
    changed[position] ^= flip
    assert FrameHeader.decode(bytes(changed)) is None


def test_a_short_header_is_none():
    assert FrameHeader.decode(sealed()[0].encode()[:-1]) is None


@pytest.mark.parametrize(
    "cipher", [LogCipher(SECRET, "b" * 16 + "-000000"), LogCipher(bytes(32), "a" * 16 + "-000000")]
)
def test_another_log_or_key_opens_nothing(cipher):
    header, meta, body = sealed()
    with pytest.raises(KeyUnavailableError):
        cipher.open_data(header, body)
    with pytest.raises(KeyUnavailableError):
        cipher.open_meta(header, meta)


@pytest.mark.parametrize(
    "header",
    [
        FrameHeader(FrameKind.LAST, 4, OURS, 27, 22),
        FrameHeader(FrameKind.LAST, 3, THEIRS, 27, 22),
        FrameHeader(FrameKind.PART, 3, OURS, 27, 22),
    ],
)
def test_a_frame_of_another_number_institution_or_kind_does_not_open(header):
    _, _, body = sealed()
    with pytest.raises(KeyUnavailableError):
        LogCipher(SECRET, "a" * 16 + "-000000").open_data(header, body)


def test_nothing_of_what_is_sealed_is_in_clear():
    _, meta, body = sealed(b"DOE^JANE" * 10)
    assert b"DOE" not in body
    assert b"sop" not in meta
