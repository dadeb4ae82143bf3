"""A small world for the format's tests: shards in memory, and packages built the way an ingest builds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import settings

from retention.model.digests import ReceivedDigests
from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, PackageId
from retention.model.layout import Protection
from retention.package import packing
from retention.package.manifest import KIND_STUDY, BlockRow, Contents, InstanceRow, SeriesEntry, StudyEntry
from retention.package.reader import PackageReader, find_reference
from retention.package.records import ShardHeader
from retention.package.sealing import Sealer, block_number
from retention.package.shard import Reference, read_reference
from retention.package.writer import PackageWriter, Tail

ARCHIVE = ArchiveId("a0" * 16)
INSTITUTION = InstitutionId("b1" * 16)
PACKAGE = PackageId("c2" * 16)
KEY = KeyId("d3" * 16)
DATA_KEY = bytes(range(32))
CREATED_AT = "2026-11-24T05:32:03.000000Z"

TWO_COPIES = Protection.copies(2)
FOUR_PLUS_TWO = Protection(4, 2)

PATIENT = PatientFacts("IPP-4711", "HOSP", "DURAND^ÉLODIE", "19610229", "F")
STUDY = StudyEntry("1.2.840.99.7", PATIENT, StudyFacts("20240131", "0815", "THORAX HÉLICE", "ACC-0815"))
SERIES = SeriesEntry("1.2.840.99.7.1", SeriesFacts("CT", "CHEST", "LUNG 1MM", "ACME"))

examples = settings(deadline=None, max_examples=60)
"""For property tests: many examples, none of them timed."""


class MemoryShard:
    """A shard in memory: sink and source in one, which remembers what was read of it."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.reads: list[tuple[int, int]] = []

    def write(self, data: bytes | memoryview) -> None:
        self.data += data

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return bytes(self.data[offset : offset + length])

    def flipped(self, offset: int, mask: int = 0xFF) -> MemoryShard:
        """Return a copy of the shard in which one byte differs."""
        damaged = MemoryShard(bytes(self.data))
        damaged.data[offset] ^= mask
        return damaged


@dataclass
class Built:
    """A finished package: what went in, what came out, and the key."""

    header: ShardHeader
    sealer: Sealer
    originals: list[bytes]
    contents: Contents
    tail: Tail
    shards: dict[int, MemoryShard]
    reference: Reference

    def without(self, *lost: int) -> dict[int, MemoryShard]:
        return {number: shard for number, shard in self.shards.items() if number not in lost}

    def read(self, shards: dict[int, MemoryShard]) -> list[bytes]:
        """Read every instance from these shards, by what they say themselves."""
        reader = PackageReader(find_reference(shards), shards, self.sealer)
        return [b"".join(reader.read_instance(row)) for row in reader.contents.instances]

    def bad_cell(self, shard: int, stripe: int) -> None:
        """Damage one cell in place."""
        self.shards[shard].data[self.tail.entry.cells_start + stripe * self.header.cell_bytes] ^= 0x55


def write_instance(
    writer: PackageWriter, sealer: Sealer, ordinal: int, blocks: Iterable[bytes]
) -> InstanceRow:
    """Pack, seal and append the blocks of one instance; return what the manifest says of it."""
    digests, rows, size = ReceivedDigests(), [], 0
    for part, plain in enumerate(blocks):
        digests.update(plain)
        size += len(plain)
        packed = packing.pack(memoryview(plain), packing.Content.OTHER)
        sealed = sealer.seal_block(block_number(ordinal, part), packed.packing, packed.data)
        rows.append(BlockRow(writer.append(sealed), len(sealed), len(plain), packed.packing))
    blake3, sha256 = digests.blake3(), digests.sha256()
    return InstanceRow(ordinal, size, blake3, sha256, 0, blake3, tuple(rows), series=0)


def build(
    instances: Sequence[Sequence[bytes]],
    protection: Protection,
    cell_bytes: int = 64,
    *,
    package: PackageId = PACKAGE,
    institution: InstitutionId = INSTITUTION,
    shards: Iterable[int] | None = None,
) -> Built:
    """Build a package of instances, each given as its blocks; `shards` are those that have a sink, all by default."""
    header = ShardHeader(ARCHIVE, institution, package, protection, cell_bytes, shard=0, generation=0)
    sealer = Sealer.of(DATA_KEY, package, institution)
    sinks = {number: MemoryShard() for number in (range(protection.shards) if shards is None else shards)}
    writer = PackageWriter(header, KEY, sealer, sinks)
    rows = [write_instance(writer, sealer, ordinal, blocks) for ordinal, blocks in enumerate(instances)]
    contents = Contents(STUDY, [SERIES], rows, {"retention": "0"}, None)
    tail = writer.finish(KIND_STUDY, CREATED_AT, contents)
    originals = [b"".join(blocks) for blocks in instances]
    reference = read_reference(next(iter(sinks.values())))
    return Built(header, sealer, originals, contents, tail, sinks, reference)


def small_package(protection: Protection) -> Built:
    """Build three instances over several stripes of 64-byte cells, the last one short."""
    return build(
        [[b"head" * 8, bytes(range(251))], [b"DICM" + bytes(range(7, 256))], [b"x" * 40]], protection
    )


@pytest.fixture(params=[TWO_COPIES, FOUR_PLUS_TWO], ids=str)
def built(request: pytest.FixtureRequest) -> Built:
    """A small package, once by copies and once by code."""
    protection: Protection = request.param
    return small_package(protection)


@pytest.fixture
def coded() -> Built:
    """A small package by 4+2."""
    return small_package(FOUR_PLUS_TWO)
