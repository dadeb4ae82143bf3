"""Reading a head is bounded in everything, and no bytes make it raise."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.dicom.head import Head, NotKept, Unidentified, read_head
from retention.dicom.limits import DEFAULT, Limits
from retention.dicom.readers import BytesReader
from retention.model.facts import InstanceIdentity
from tests.dicom.real_files import FILES, identity_in, peer_reading
from tests.dicom.sparse import SparseReader
from tests.dicom.writing import (
    DEFLATED,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    dataset,
    explicit,
    implicit,
    item,
    meta,
)

IDENTITY = InstanceIdentity("1.2.3.2", "1.2.3.3", "1.2.3.1")
PIXEL_DATA = 0x7FE00010


def head_of(data, limits=DEFAULT):
    return read_head(BytesReader(data), limits)


OPEN = explicit(0x00081140, "SQ", length=UNDEFINED) + item(length=UNDEFINED)
TOO_MUCH = {
    "limit-depth": (OPEN * 65 + (ITEM_END + SEQUENCE_END) * 65, DEFAULT),
    "limit-elements": (explicit(0x00091010, "LO") * 2000, Limits(element_count=1000)),
    "limit-bytes": (explicit(0x00091010, "LO", bytes(60_000)) * 20, Limits(head_bytes=100_000)),
}


@pytest.mark.parametrize("reason", TOO_MUCH)
def test_a_limit_passed_before_the_identity_is_known(reason):
    too_much, limits = TOO_MUCH[reason]
    outcome = head_of(meta() + dataset(between=too_much), limits)
    assert isinstance(outcome, Unidentified)
    assert outcome.reason == reason


@pytest.mark.parametrize("reason", TOO_MUCH)
def test_a_limit_passed_after_it_hides_only_the_pixel_data(reason):
    too_much, limits = TOO_MUCH[reason]
    head = head_of(meta() + dataset(after=too_much + explicit(PIXEL_DATA, "OW", bytes(8))), limits)
    assert isinstance(head, Head)
    assert (head.identity, head.pixel_offset) == (IDENTITY, None)


def test_a_deflate_bomb():
    filler = explicit(0x00091010, "UN", bytes(50_000_000))
    before = head_of(meta(DEFLATED) + zlib.compress(dataset(between=filler), wbits=-15))
    after = head_of(meta(DEFLATED) + zlib.compress(dataset(after=filler), wbits=-15))
    assert isinstance(before, Unidentified)
    assert before.reason == "deflate-bomb"
    assert isinstance(after, Head)


@pytest.mark.parametrize("front", [meta(), bytes(128) + b"DICM", b"", dataset()[:15]])
def test_four_gigabytes_of_zeros_are_soon_done_with(front):
    reader = SparseReader(front, 2**32)
    assert not isinstance(read_head(reader, Limits(element_count=10_000)), Head)
    assert reader.bytes_read < 1_000_000


@pytest.mark.parametrize("head_bytes", [0, 100, 1023, 5000])
def test_limits_too_small_for_anything_are_limits_all_the_same(head_bytes):
    outcome = head_of(meta() + dataset(between=bytes(20_000)), Limits(head_bytes=head_bytes))
    assert isinstance(outcome, Unidentified)
    assert outcome.reason == "limit-bytes"


PIECES = st.sampled_from(
    [
        meta(),
        dataset()[:15],
        OPEN,
        ITEM_END,
        SEQUENCE_END,
        explicit(0x7FE10010, "OB", length=UNDEFINED),
        explicit(0x00090010, "ZZ", b"abcd"),
        struct.pack("<HHI", 0x10, 0x10, 0xFFFFFFFE),
        implicit(0x00100020, b"P1"),
    ]
)


@given(st.lists(PIECES | st.binary(max_size=12)).map(b"".join))
def test_no_bytes_raise(data):
    for front in (b"", meta(), meta(DEFLATED)):
        assert isinstance(head_of(front + data), Head | Unidentified | NotKept)


@given(data=st.data())
@settings(derandomize=True, max_examples=150)
def test_what_pydicom_finds_in_a_damaged_file_is_found(data):
    file = data.draw(st.sampled_from([file for file in FILES if file.suffix == ".dcm"]))
    damaged = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, min(len(damaged) - 1, 2000)))
        damaged[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=4))
    head = head_of(damaged)
    expected = identity_in(peer_reading(bytes(damaged)))
    if expected and all(set(uid) <= set("0123456789.") and len(uid) <= 64 for uid in expected):
        assert isinstance(head, Head)
        assert [head.identity.study_uid, head.identity.series_uid, head.identity.sop_instance_uid] == expected
