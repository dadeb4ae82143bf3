"""Windows give what the reader has, read little, and end where it ends; inflated bytes are what zlib gives."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.dicom.limits import Budget, Limits
from retention.dicom.readers import BytesReader
from retention.dicom.source import Inflated, Window
from retention.model.errors import InputLimitError

PLACES = st.lists(st.tuples(st.integers(0, 120_000), st.integers(0, 300)), max_size=12)
PATTERN = bytes(range(251)) * 400


class CountingReader(BytesReader):
    """Remembers what it was asked for."""

    def __init__(self, data):
        super().__init__(data)
        self.asked = []

    def read_at(self, offset, length):
        self.asked.append((offset, length))
        return super().read_at(offset, length)


@given(PLACES)
def test_what_is_peeked_is_what_the_reader_has(places):
    window = Window(BytesReader(PATTERN), Budget(Limits()))
    for offset, need in places:
        assert window.peek(offset, need) == PATTERN[offset : offset + need]
        at_hand = window.read(offset, need)
        assert len(at_hand) >= min(need, max(0, len(PATTERN) - offset))
        assert PATTERN[offset:].startswith(at_hand)


def test_a_jump_reads_a_small_window_and_going_on_a_larger_one():
    reader = CountingReader(bytes(10_000_000))
    window = Window(reader, Budget(Limits()))
    for offset in (0, 16_384, 81_920, 5_000_000):
        window.read(offset, 12)
    assert reader.asked == [(0, 16_384), (16_384, 65_536), (81_920, 262_144), (5_000_000, 16_384)]


def test_a_source_ends_where_its_reader_really_ends():
    class Shrunk(BytesReader):
        def __init__(self):
            super().__init__(bytes(100))
            self.size_bytes = 5000

    window = Window(Shrunk(), Budget(Limits()))
    assert len(window.read(0, 12)) == 100
    assert window.size_bytes == 100


def test_reading_is_paid_for():
    window = Window(BytesReader(bytes(100_000)), Budget(Limits(head_bytes=20_000)))
    window.read(0, 12)
    with pytest.raises(InputLimitError):
        window.read(50_000, 12)


@given(data=st.binary(max_size=3000), repeats=st.integers(1, 60), places=PLACES, with_header=st.booleans())
def test_inflated_bytes_are_the_ones_deflated(data, repeats, places, with_header):
    plain = data * repeats
    deflated = zlib.compress(plain, wbits=15 if with_header else -15)
    source = Inflated(Window(BytesReader(b"meta" + deflated), Budget(Limits())), 4, Budget(Limits()))
    for offset, need in places:
        assert source.peek(offset, need) == plain[offset : offset + need]
    source.peek(len(plain), 1)
    assert (source.size_bytes, source.is_corrupt) == (len(plain), False)


@given(cut=st.integers(0, 200))
def test_cut_deflate_data_give_what_they_hold(cut):
    deflated = zlib.compress(PATTERN, wbits=-15)
    source = Inflated(
        Window(BytesReader(deflated[: len(deflated) - cut]), Budget(Limits())), 0, Budget(Limits())
    )
    inflated = source.peek(0, len(PATTERN))
    assert PATTERN.startswith(inflated)
    assert cut or inflated == PATTERN


def test_corrupt_deflate_data_end_the_source():
    deflated = bytearray(zlib.compress(PATTERN, wbits=-15))
    deflated[1] ^= 0xFF
    source = Inflated(Window(BytesReader(deflated), Budget(Limits())), 0, Budget(Limits()))
    source.peek(0, len(PATTERN))
    assert source.is_corrupt
    assert source.size_bytes < len(PATTERN)


def test_only_what_is_walked_is_inflated():
    deflated = zlib.compress(bytes(50_000_000), wbits=-15)
    budget = Budget(Limits())
    source = Inflated(Window(BytesReader(deflated), budget), 0, budget)
    source.read(0, 12)
    assert source.deflated_end < len(deflated)
    with pytest.raises(InputLimitError):
        source.peek(40_000_000, 1)
