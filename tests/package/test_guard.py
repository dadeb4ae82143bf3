"""Guarded records repair themselves, and never lie (format §3.1)."""

from __future__ import annotations

import random

import pytest
import reedsolo
from hypothesis import given
from hypothesis import strategies as st

from retention.model.digests import blake3_digest
from retention.model.errors import ShardDamagedError
from retention.package.guard import FIELDS_BYTES, RECORD_BYTES, protect, recover
from tests.package.conftest import examples

REPAIRABLE = 32
CODED_BYTES = 255

reedsolo_codec = reedsolo.RSCodec(64)
any_fields = st.binary(max_size=FIELDS_BYTES)


def damaged(record: bytes, positions: list[int], seed: int) -> bytes:
    """Return the record with a wrong value at each of these positions."""
    rng, changed = random.Random(seed), bytearray(record)
    for position in positions:
        changed[position] ^= rng.randrange(1, 256)
    return bytes(changed)


@examples
@given(any_fields)
def test_a_record_is_fields_digest_parity_and_a_zero(fields: bytes) -> None:
    record = protect(fields)
    padded = fields.ljust(159, b"\0")
    assert len(record) == RECORD_BYTES == 256
    assert record[:159] == padded
    assert record[159:191] == blake3_digest(padded)
    assert record[255] == 0


@examples
@given(any_fields)
def test_parity_is_what_reedsolo_itself_writes(fields: bytes) -> None:
    record = protect(fields)
    assert record[:255] == bytes(reedsolo_codec.encode(record[:191]))


@pytest.mark.parametrize("position", range(0, 159, 7))
def test_parity_of_a_single_byte_is_reedsolos_at_every_place(position: int) -> None:
    record = protect(bytes(position) + b"\x01")
    assert record[:255] == bytes(reedsolo_codec.encode(record[:191]))


@examples
@given(any_fields)
def test_what_was_protected_is_recovered_and_undamaged(fields: bytes) -> None:
    assert recover(protect(fields)) == (fields.ljust(159, b"\0"), False)


@examples
@given(
    any_fields,
    st.lists(st.integers(0, CODED_BYTES - 1), min_size=1, max_size=REPAIRABLE, unique=True),
    st.integers(0, 2**32),
)
def test_up_to_32_damaged_bytes_anywhere_are_repaired(fields: bytes, positions: list[int], seed: int) -> None:
    assert recover(damaged(protect(fields), positions, seed)) == (fields.ljust(159, b"\0"), True)


@pytest.mark.parametrize("seed", range(150))
def test_more_than_32_damaged_bytes_are_refused_never_misread(seed: int) -> None:
    rng = random.Random(seed)
    errors = rng.randrange(REPAIRABLE + 1, 192)
    positions = rng.sample(range(191), min(errors, 191))
    with pytest.raises(ShardDamagedError):
        recover(damaged(protect(rng.randbytes(159)), positions, seed))


@pytest.mark.parametrize("record", [bytes(256), b"\xff" * 256, b"\x01" * 256, bytes(range(256))])
def test_a_valid_codeword_without_its_digest_is_no_record(record: bytes) -> None:
    with pytest.raises(ShardDamagedError):
        recover(record)


def test_another_records_message_is_not_taken_for_repaired() -> None:
    """The Reed–Solomon code alone would accept these: fields and digest of two different records, freshly coded."""
    message = protect(b"one")[:159] + protect(b"two")[159:191]
    with pytest.raises(ShardDamagedError, match="digest"):
        recover(bytes(reedsolo_codec.encode(message)) + b"\0")


def test_fields_with_their_digest_count_even_when_all_parity_is_gone() -> None:
    record = protect(b"fields")
    assert recover(record[:191] + bytes(65)) == (b"fields".ljust(159, b"\0"), True)


def test_damage_in_the_last_byte_is_damage() -> None:
    assert recover(protect(b"fields")[:255] + b"\x01") == (b"fields".ljust(159, b"\0"), True)


@pytest.mark.parametrize("length", [0, 255, 257])
def test_a_record_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ShardDamagedError, match="256 bytes"):
        recover(protect(b"fields").ljust(257, b"\0")[:length])


def test_fields_that_do_not_fit_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="159"):
        protect(bytes(160))
