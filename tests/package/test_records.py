"""The fields of header, table entry and trailer, byte for byte (format §3.2 to §3.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import ShardDamagedError, UnsupportedFormatError
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, PackageId
from retention.model.layout import Protection
from retention.package.guard import FIELDS_BYTES, protect
from retention.package.records import ShardHeader, TableEntry, Trailer
from tests.package.conftest import ARCHIVE, INSTITUTION, KEY, PACKAGE, examples

ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
u64 = st.integers(0, 2**64 - 1)
digests = st.binary(min_size=32, max_size=32)

HEADER = ShardHeader(ARCHIVE, INSTITUTION, PACKAGE, Protection(4, 2), 65536, shard=5, generation=3)
ENTRY = TableEntry(PACKAGE, KEY, 256, 1000, 2000, 3000, 4000, 5000, b"\x11" * 32, b"\x22" * 32)
TRAILER = Trailer(PACKAGE, 1, 7000, 7512)


def changed(record: bytes, offset: int, new: bytes) -> bytes:
    """Return a valid record with other fields: what a program that knows more might write."""
    fields = bytearray(record[:FIELDS_BYTES])
    fields[offset : offset + len(new)] = new
    return protect(bytes(fields))


def test_header_fields_lie_where_the_format_says() -> None:
    record = HEADER.encode()
    assert record[0:8] == b"RETSHARD"
    assert record[8:10] == b"\x01\x00"
    assert record[10:14] == bytes([2, 4, 2, 5])  # scheme, k, m, shard number
    assert record[14:16] == b"\0\0"
    assert record[16:20] == b"\x03\0\0\0"
    assert record[20:24] == b"\0\0\x01\0"
    assert record[24:72] == b"\xa0" * 16 + b"\xb1" * 16 + b"\xc2" * 16
    assert record[72:FIELDS_BYTES] == bytes(FIELDS_BYTES - 72)


def test_with_copies_the_scheme_is_1_and_m_is_their_number_less_one() -> None:
    header = ShardHeader(ARCHIVE, INSTITUTION, PACKAGE, Protection.copies(3), 64, 0, 0)
    assert header.encode()[10:13] == bytes([1, 1, 2])


def test_entry_fields_lie_where_the_format_says() -> None:
    record = ENTRY.encode()
    assert record[0:32] == b"\xc2" * 16 + b"\xd3" * 16
    numbers = [int.from_bytes(record[at : at + 8], "little") for at in range(32, 80, 8)]
    assert numbers == [256, 1000, 2000, 3000, 4000, 5000]
    assert record[80:144] == b"\x11" * 32 + b"\x22" * 32
    assert record[144:FIELDS_BYTES] == bytes(FIELDS_BYTES - 144)


def test_trailer_fields_lie_where_the_format_says() -> None:
    record = TRAILER.encode()
    assert record[0:8] == b"RETTRAIL"
    assert record[8:12] == b"\x01\0\x01\0"
    assert record[12:16] == bytes(4)
    assert int.from_bytes(record[16:24], "little") == 7000
    assert int.from_bytes(record[24:32], "little") == 7512
    assert record[32:48] == b"\xc2" * 16
    assert record[48:FIELDS_BYTES] == bytes(FIELDS_BYTES - 48)


protections = st.one_of(
    st.integers(1, 32).map(Protection.copies),
    st.tuples(st.integers(2, 31), st.integers(1, 30))
    .filter(lambda pair: sum(pair) <= 32)
    .map(lambda pair: Protection(*pair)),
)


@examples
@given(ids, ids, ids, protections, st.integers(1, 2**24), st.integers(0, 31), st.integers(0, 2**32 - 1))
def test_any_header_comes_back(
    archive: str,
    institution: str,
    package: str,
    protection: Protection,
    cell_bytes: int,
    shard: int,
    generation: int,
) -> None:
    header = ShardHeader(
        ArchiveId(archive),
        InstitutionId(institution),
        PackageId(package),
        protection,
        cell_bytes,
        shard % protection.shards,
        generation,
    )
    assert ShardHeader.decode(header.encode()) == (header, False)


@examples
@given(ids, ids, st.tuples(u64, u64, u64, u64, u64, u64), digests, digests)
def test_any_entry_comes_back(
    package: str, key: str, numbers: tuple[int, int, int, int, int, int], root: bytes, manifest: bytes
) -> None:
    entry = TableEntry(PackageId(package), KeyId(key), *numbers, root, manifest)
    assert TableEntry.decode(entry.encode()) == (entry, False)


@examples
@given(ids, st.integers(1, 4096), u64, u64)
def test_any_trailer_comes_back(package: str, entries: int, table: int, size: int) -> None:
    trailer = Trailer(PackageId(package), entries, table, size)
    assert Trailer.decode(trailer.encode()) == (trailer, False)


def test_headers_of_a_package_differ_in_shard_and_generation_alone() -> None:
    other = HEADER.of(1, 9)
    assert (other.shard, other.generation) == (1, 9)
    assert other.of(HEADER.shard, HEADER.generation) == HEADER
    assert HEADER.of(2).generation == 0


@pytest.mark.parametrize(
    ("decode", "record"),
    [
        (ShardHeader.decode, changed(HEADER.encode(), 8, b"\x02\x00")),
        (ShardHeader.decode, changed(HEADER.encode(), 8, b"\x00\x00")),
        (Trailer.decode, changed(TRAILER.encode(), 8, b"\x02\x00")),
    ],
    ids=["newer header", "header of none", "newer trailer"],
)
def test_an_unknown_version_is_refused(decode: Callable[[bytes], object], record: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match="version"):
        decode(record)


@pytest.mark.parametrize(
    "scheme_k_m",
    [
        (0, 1, 1),
        (3, 4, 2),  # a scheme of the future
        (1, 4, 2),  # copies have k = 1
        (2, 1, 1),  # a code has k > 1
        (2, 4, 0),  # and parity
        (2, 0, 2),
        (1, 0, 2),
        (2, 30, 3),  # and at most 32 shards
        (1, 1, 32),
    ],
)
def test_an_unknown_protection_is_refused(scheme_k_m: tuple[int, int, int]) -> None:
    with pytest.raises(UnsupportedFormatError, match="protection"):
        ShardHeader.decode(changed(HEADER.encode(), 10, bytes([*scheme_k_m, 0])))


@pytest.mark.parametrize(
    ("offset", "new"),
    [(13, b"\x06"), (20, bytes(4)), (20, (2**24 + 1).to_bytes(4, "little"))],
    ids=["shard number beyond k+m", "no cell size", "cells too large"],
)
def test_an_impossible_header_is_refused(offset: int, new: bytes) -> None:
    with pytest.raises(ShardDamagedError, match="impossible"):
        ShardHeader.decode(changed(HEADER.encode(), offset, new))


@pytest.mark.parametrize("entries", [0, 4097])
def test_a_trailer_of_no_package_or_too_many_is_refused(entries: int) -> None:
    with pytest.raises(ShardDamagedError, match="impossible"):
        Trailer.decode(changed(TRAILER.encode(), 10, entries.to_bytes(2, "little")))


@pytest.mark.parametrize(
    ("decode", "others"),
    [(ShardHeader.decode, [ENTRY, TRAILER]), (Trailer.decode, [HEADER, ENTRY])],
    ids=["header", "trailer"],
)
def test_one_record_is_not_taken_for_another(
    decode: Callable[[bytes], object], others: list[ShardHeader | TableEntry | Trailer]
) -> None:
    for other in others:
        with pytest.raises(ShardDamagedError, match="magic"):
            decode(other.encode())


@pytest.mark.parametrize(
    ("record", "reserved"),
    [(HEADER.encode(), 14), (HEADER.encode(), 72), (TRAILER.encode(), 12)],
    ids=["header", "header's end", "trailer"],
)
def test_reserved_bytes_are_ignored(record: bytes, reserved: int) -> None:
    decode = ShardHeader.decode if record[:8] == b"RETSHARD" else Trailer.decode
    assert decode(changed(record, reserved, b"\x07")) == decode(record)


def test_a_repaired_record_says_so() -> None:
    for record, decode in (
        (HEADER.encode(), ShardHeader.decode),
        (ENTRY.encode(), TableEntry.decode),
        (TRAILER.encode(), Trailer.decode),
    ):
        decoded, was_repaired = decode(record[:30] + bytes([record[30] ^ 1]) + record[31:])
        assert was_repaired
        assert (decoded, False) == decode(record)
