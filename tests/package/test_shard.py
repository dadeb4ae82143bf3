"""Opening a shard (format §3): what it says of its package, believed only where it agrees with itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from retention.model.digests import blake3_digest
from retention.model.errors import IntegrityError, ShardDamagedError
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, PackageId
from retention.model.layout import Protection
from retention.package.records import ShardHeader, TableEntry, Trailer
from retention.package.shard import read_entry, read_header, read_reference
from tests.package.conftest import INSTITUTION, KEY, PACKAGE, Built, MemoryShard

RECORD = 256

ForgeHeader = Callable[[ShardHeader], ShardHeader]
ForgeEntry = Callable[[TableEntry], TableEntry]


def with_header(shard: MemoryShard, header: ShardHeader) -> MemoryShard:
    return MemoryShard(header.encode() + bytes(shard.data[RECORD:]))


def with_entry(shard: MemoryShard, entry: TableEntry) -> MemoryShard:
    return MemoryShard(bytes(shard.data[: -2 * RECORD]) + entry.encode() + bytes(shard.data[-RECORD:]))


def with_trailer(shard: MemoryShard, trailer: Trailer) -> MemoryShard:
    return MemoryShard(bytes(shard.data[:-RECORD]) + trailer.encode())


def test_every_shard_says_the_same_of_its_package(built: Built) -> None:
    references = [read_reference(shard) for shard in built.shards.values()]
    assert [reference.header.shard for reference in references] == list(built.shards)
    assert all(reference.header.of(0) == built.header for reference in references)
    assert all(reference.entry == built.tail.entry for reference in references)
    assert all(reference.index == built.tail.index for reference in references)
    assert all(reference.manifest == built.tail.manifest for reference in references)
    assert all(reference.public.geometry == reference.geometry for reference in references)


def test_a_reference_knows_the_digest_of_every_cell_of_every_shard(built: Built) -> None:
    geometry = built.reference.geometry
    for number, shard in built.shards.items():
        for stripe in range(geometry.stripes):
            start = RECORD + stripe * geometry.cell_bytes
            cell = shard.data[start : start + geometry.cell_length(stripe)]
            assert built.reference.digest(stripe, number) == blake3_digest(cell)


def test_damaged_header_table_and_trailer_are_repaired_on_reading(built: Built) -> None:
    shard = built.shards[0]
    for record in (0, shard.size_bytes - 2 * RECORD, shard.size_bytes - RECORD):
        for position in random.Random(record).sample(range(255), 32):
            shard.data[record + position] ^= 0xFF
    assert read_reference(shard).entry == built.tail.entry
    assert read_header(shard) == built.header


@pytest.mark.parametrize("record", ["header", "table", "trailer"])
def test_a_record_damaged_beyond_repair_is_refused(built: Built, record: str) -> None:
    shard = built.shards[0]
    start = {"header": 0, "table": shard.size_bytes - 512, "trailer": shard.size_bytes - 256}[record]
    shard.data[start : start + 40] = b"?" * 40
    with pytest.raises(ShardDamagedError, match="beyond repair"):
        read_reference(shard)


@pytest.mark.parametrize("part", ["index", "manifest"])
def test_an_index_or_manifest_that_misses_its_digest_is_refused(built: Built, part: str) -> None:
    entry = built.tail.entry
    start = {"index": entry.index_start, "manifest": entry.manifest_start}[part]
    with pytest.raises(ShardDamagedError, match=f"the {part} of a shard does not match"):
        read_reference(built.shards[0].flipped(start + 5))


def test_a_shard_cut_anywhere_is_refused(built: Built) -> None:
    whole = built.shards[0]
    for length in [*range(0, whole.size_bytes, 61), whole.size_bytes - 1]:
        cut = MemoryShard(bytes(whole.data[:length]))
        with pytest.raises(IntegrityError):
            read_reference(cut)
        assert all(offset >= 0 for offset, _ in cut.reads)


def test_a_shard_with_something_behind_its_end_is_refused(built: Built) -> None:
    """Even when what follows is a trailer: length of the file and trailer must agree."""
    shard = built.shards[0]
    with pytest.raises(IntegrityError):
        read_reference(MemoryShard(bytes(shard.data) + bytes(10)))
    with pytest.raises(ShardDamagedError, match="trailer says"):
        read_reference(MemoryShard(bytes(shard.data) + bytes(shard.data[-RECORD:])))


@pytest.mark.parametrize(
    "forge",
    [
        lambda header: replace(header, archive=ArchiveId("0f" * 16)),
        lambda header: replace(header, institution=InstitutionId("0f" * 16)),
        lambda header: replace(header, cell_bytes=70),  # as many stripes: the index would fit
        lambda header: replace(header, protection=Protection(3, 3)),
    ],
    ids=["archive", "institution", "cell size", "protection"],
)
def test_a_header_that_is_not_the_manifests_is_refused(coded: Built, forge: ForgeHeader) -> None:
    with pytest.raises(ShardDamagedError):
        read_reference(with_header(coded.shards[0], forge(coded.header)))


def test_header_and_table_of_different_packages_are_refused(built: Built) -> None:
    forged = replace(built.header, package=PackageId("0f" * 16))
    with pytest.raises(ShardDamagedError, match="different packages"):
        read_reference(with_header(built.shards[0], forged))


def test_a_table_with_another_key_than_the_manifest_is_refused(built: Built) -> None:
    forged = replace(built.tail.entry, key=KeyId("0f" * 16))
    with pytest.raises(ShardDamagedError, match="disagrees"):
        read_reference(with_entry(built.shards[0], forged))


@pytest.mark.parametrize(
    "forge",
    [
        lambda entry: replace(entry, index_start=2**63),
        lambda entry: replace(entry, manifest_start=2**63),
        lambda entry: replace(entry, manifest_bytes=2**29),
    ],
    ids=["index start", "manifest start", "manifest length"],
)
def test_places_outside_the_file_are_refused_before_memory_is_asked_for(
    built: Built, forge: ForgeEntry
) -> None:
    forged = with_entry(built.shards[0], forge(built.tail.entry))
    with pytest.raises(ShardDamagedError, match="ends before"):
        read_reference(forged)
    assert all(offset + length <= forged.size_bytes for offset, length in forged.reads)


@pytest.mark.parametrize(
    "forge",
    [
        lambda entry: replace(entry, index_bytes=64),
        lambda entry: replace(entry, stream_bytes=2**40),
        lambda entry: replace(entry, manifest_bytes=2**31),
    ],
    ids=["index length", "stream length", "manifest length"],
)
def test_lengths_that_do_not_fit_the_geometry_are_refused(built: Built, forge: ForgeEntry) -> None:
    with pytest.raises(ShardDamagedError, match="does not fit"):
        read_reference(with_entry(built.shards[0], forge(built.tail.entry)))


def test_a_table_outside_the_file_is_refused(built: Built) -> None:
    size = built.tail.shard_bytes
    with pytest.raises(ShardDamagedError, match="ends before"):
        read_reference(with_trailer(built.shards[0], Trailer(PACKAGE, 1, 2**63, size)))


def test_a_table_that_does_not_list_the_package_is_refused(built: Built) -> None:
    size = built.tail.shard_bytes
    other = Trailer(PackageId("0f" * 16), 1, size - 2 * RECORD, size)
    with pytest.raises(ShardDamagedError, match="does not list"):
        read_entry(with_trailer(built.shards[0], other))


def test_readers_go_by_the_table_whatever_else_it_lists(built: Built) -> None:
    """Bundles are for later writers; the table is there from version 1."""
    neighbour = TableEntry(PackageId("0f" * 16), KEY, 0, 0, 0, 0, 0, 0, bytes(32), bytes(32))
    shard = built.shards[0]
    size = shard.size_bytes + RECORD
    table_start = shard.size_bytes - 2 * RECORD
    bundle = MemoryShard(
        bytes(shard.data[:table_start])
        + neighbour.encode()
        + built.tail.entry.encode()
        + Trailer(PACKAGE, 2, table_start, size).encode()
    )
    assert read_entry(bundle) == built.tail.entry
    assert read_reference(bundle).public.institution == INSTITUTION
