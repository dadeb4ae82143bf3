"""The reserve is kept, and the system is not asked about space at every write."""

import os
from types import SimpleNamespace

import pytest

from retention.model.errors import VolumeFullError
from retention.storage.space import Space

MEBIBYTE = 1 << 20


@pytest.fixture
def medium(monkeypatch):
    """A medium of 1,000 blocks of a mebibyte; `asked` counts questions."""
    medium = SimpleNamespace(f_bavail=1000, f_blocks=1000, f_frsize=MEBIBYTE, asked=0)

    def statvfs(_: str) -> SimpleNamespace:
        medium.asked += 1
        return medium

    monkeypatch.setattr(os, "statvfs", statvfs)
    return medium


def test_the_reserve_is_one_percent_and_at_most_64_mebibytes(medium):
    assert Space("v", "/", None).reserve_bytes() == 10 * MEBIBYTE
    medium.f_blocks = 1_000_000
    assert Space("v", "/", None).reserve_bytes() == 64 * MEBIBYTE
    assert Space("v", "/", 5).reserve_bytes() == 5


def test_a_write_may_use_all_but_the_reserve(medium):
    Space("v", "/", 10 * MEBIBYTE).spend(990 * MEBIBYTE)
    with pytest.raises(VolumeFullError, match="reserve of 10485760 bytes"):
        Space("v", "/", 10 * MEBIBYTE).spend(990 * MEBIBYTE + 1)


def test_what_was_refused_is_asked_again(medium):
    space = Space("v", "/", 0)
    medium.f_bavail = 0
    with pytest.raises(VolumeFullError):
        space.spend(1)
    medium.f_bavail = 1
    space.spend(MEBIBYTE)


def test_small_writes_ask_once_in_sixteen_mebibytes(medium):
    space = Space("v", "/", 0)
    for _ in range(160):
        space.spend(MEBIBYTE // 10)
    assert medium.asked == 1
    space.spend(MEBIBYTE)
    assert medium.asked == 2


def test_near_the_end_our_own_writes_are_counted_exactly(medium):
    medium.f_bavail = 3
    space = Space("v", "/", MEBIBYTE)
    space.spend(MEBIBYTE)
    medium.f_bavail = 2
    space.spend(MEBIBYTE)
    medium.f_bavail = 1
    with pytest.raises(VolumeFullError):
        space.spend(1)
