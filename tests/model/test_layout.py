"""Copies are the code with one data shard."""

from __future__ import annotations

from retention.model.layout import Protection


def test_two_copies_are_one_data_shard_and_one_spare():
    protection = Protection.copies(2)
    assert (protection.data, protection.parity, protection.shards) == (1, 1, 2)
    assert protection.is_copies
    assert str(protection) == "2 copies"


def test_a_code_is_written_as_data_plus_parity():
    assert str(Protection(4, 2)) == "4+2"
    assert not Protection(4, 2).is_copies
