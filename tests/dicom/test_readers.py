"""Readers answer any offset and length, and give less only at their end."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.dicom.readers import BytesReader, FileReader


@pytest.fixture
def opened(tmp_path):
    """An open file of 1000 bytes, whose own position is at 5."""
    file = tmp_path / "instance"
    file.write_bytes(bytes(range(250)) * 4)
    descriptor = os.open(file, os.O_RDONLY)
    os.lseek(descriptor, 5, os.SEEK_SET)
    yield descriptor
    os.close(descriptor)


@given(data=st.binary(), offset=st.integers(0, 200), length=st.integers(0, 200))
def test_memory_is_read_like_a_slice(data, offset, length):
    for held in (data, bytearray(data), memoryview(data)):
        reader = BytesReader(held)
        assert (reader.size_bytes, reader.read_at(offset, length)) == (
            len(data),
            data[offset : offset + length],
        )


def test_a_view_of_larger_units_is_read_in_bytes():
    view = memoryview(b"abcdefgh").cast("I")
    assert BytesReader(view).size_bytes == 8


def test_a_file_is_read_anywhere_and_its_position_is_left_alone(opened):
    reader = FileReader(opened)
    assert reader.size_bytes == 1000
    assert reader.read_at(250, 3) == b"\0\1\2"
    assert len(reader.read_at(990, 50)) == 10
    assert reader.read_at(2000, 10) == b""
    assert os.lseek(opened, 0, os.SEEK_CUR) == 5


def test_a_system_that_gives_a_byte_at_a_time_is_asked_again(opened, monkeypatch):
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, length, offset: whole(descriptor, 1, offset))
    assert FileReader(opened).read_at(100, 20) == bytes(range(100, 120))
