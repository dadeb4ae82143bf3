"""Writing a package (format §3 to §5): every byte of a shard where the format says, nothing in clear, one pass."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.digests import blake3_digest
from retention.model.layout import Protection
from retention.package import erasure
from retention.package.manifest import Contents
from retention.package.reader import StripeReader
from retention.package.records import ShardHeader, TableEntry, Trailer
from retention.package.sealing import Sealer
from retention.package.shard import read_reference
from retention.package.writer import PackageWriter, Tail
from tests.package.conftest import (
    ARCHIVE,
    CREATED_AT,
    DATA_KEY,
    FOUR_PLUS_TWO,
    INSTITUTION,
    KEY,
    PACKAGE,
    SERIES,
    STUDY,
    TWO_COPIES,
    Built,
    MemoryShard,
    build,
    examples,
)

CELL = 16
SEALER = Sealer.of(DATA_KEY, PACKAGE, INSTITUTION)
protections = st.sampled_from([Protection.copies(1), TWO_COPIES, FOUR_PLUS_TWO, Protection(3, 1)])


def write_stream(pieces: list[bytes], protection: Protection) -> tuple[dict[int, MemoryShard], Tail]:
    """Write a stream given in pieces, sealed or not: the writer does not look inside."""
    sinks = {number: MemoryShard() for number in range(protection.shards)}
    header = ShardHeader(ARCHIVE, INSTITUTION, PACKAGE, protection, CELL, 0, 0)
    writer = PackageWriter(header, KEY, SEALER, sinks)
    starts = [writer.append(piece) for piece in pieces]
    assert starts == [sum(map(len, pieces[:i])) for i in range(len(pieces))]
    assert writer.stream_bytes == sum(map(len, pieces))
    return sinks, writer.finish("study", CREATED_AT, Contents(STUDY, [SERIES], []))


def test_a_shard_is_header_cells_index_manifest_table_trailer_without_gaps(built: Built) -> None:
    for number, shard in built.shards.items():
        data = bytes(shard.data)
        entry, _ = TableEntry.decode(data[-512:-256])
        assert ShardHeader.decode(data[:256]) == (built.header.of(number), False)
        assert Trailer.decode(data[-256:]) == (
            Trailer(PACKAGE, 1, len(data) - 512, len(data)),
            False,
        )
        assert (entry.package, entry.key, entry.cells_start) == (PACKAGE, KEY, 256)
        assert entry.index_start == 256 + built.reference.geometry.cells_bytes
        assert entry.manifest_start == entry.index_start + entry.index_bytes
        assert entry.manifest_start + entry.manifest_bytes == len(data) - 512 == built.tail.shard_bytes - 512
        assert blake3_digest(data[entry.index_start : entry.manifest_start]) == entry.index_root
        assert blake3_digest(data[entry.manifest_start : -512]) == entry.manifest_digest


@pytest.mark.parametrize("protection", [TWO_COPIES, FOUR_PLUS_TWO], ids=str)
def test_cells_and_index_are_those_of_the_stream(protection: Protection) -> None:
    stream = random.Random(1).randbytes(3 * protection.data * CELL + 21)
    shards, tail = write_stream([stream], protection)
    width = protection.data * CELL
    digests = b""
    for i, start in enumerate(range(0, len(stream), width)):
        cells = [bytes(cell) for cell in erasure.encode(protection, stream[start : start + width])]
        for number, shard in shards.items():
            at = 256 + i * CELL
            assert shard.data[at : at + len(cells[number])] == cells[number]
        digests += b"".join(blake3_digest(cell) for cell in (cells[:1] if protection.is_copies else cells))
    assert tail.index == digests


def test_data_shards_hold_the_stream_itself() -> None:
    stream = bytes(range(2 * 4 * CELL))
    shards, _ = write_stream([stream], FOUR_PLUS_TWO)
    stripes = [b"".join(shards[k].data[256 + i * CELL :][:CELL] for k in range(4)) for i in (0, 1)]
    assert b"".join(stripes) == stream


@examples
@given(protections, st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_however_the_stream_arrives_the_shards_are_the_same(
    protection: Protection, stream: bytes, cuts: list[int]
) -> None:
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[low:high] for low, high in pairwise(bounds)]
    in_pieces, at_once = write_stream(pieces, protection)[0], write_stream([stream], protection)[0]
    assert {n: shard.data for n, shard in in_pieces.items()} == {n: s.data for n, s in at_once.items()}


@pytest.mark.parametrize("protection", [TWO_COPIES, FOUR_PLUS_TWO], ids=str)
@pytest.mark.parametrize("off_by", [-5, -4, -3, -1, 0, 1, 3, 4, 5])
@pytest.mark.parametrize("stripes", [0, 1, 2, 3])
def test_streams_that_end_near_a_stripe_boundary_come_back(
    protection: Protection, stripes: int, off_by: int
) -> None:
    length = max(0, stripes * protection.data * CELL + off_by)
    stream = random.Random(length).randbytes(length)
    shards, _ = write_stream([stream], protection)
    for lost in ([], [0], [protection.shards - 1], list(range(protection.parity))):
        left = {number: shard for number, shard in shards.items() if number not in lost}
        reference = read_reference(next(iter(left.values())))
        reader = StripeReader(reference, left)
        assert reader.read(0, length) == stream
        for start in range(0, length, 7):
            assert reader.read(start, min(30, length - start)) == stream[start : start + 30]


@examples
@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=120), max_size=4), max_size=5),
    protections,
    st.integers(1, 90),
    st.data(),
)
def test_any_instances_of_any_blocks_come_back_from_any_shards_that_suffice(
    instances: list[list[bytes]], protection: Protection, cell_bytes: int, data: st.DataObject
) -> None:
    built = build(instances, protection, cell_bytes)
    shards = range(protection.shards)
    kept = data.draw(st.lists(st.sampled_from(shards), min_size=protection.data, unique=True))
    assert built.read({number: built.shards[number] for number in kept}) == built.originals


@pytest.mark.parametrize("protection", [TWO_COPIES, FOUR_PLUS_TWO], ids=str)
def test_shards_without_a_sink_are_left_out_and_the_others_are_as_ever(protection: Protection) -> None:
    instances = [[bytes(range(200))], [b"second"]]
    whole, partial = (
        build(instances, protection),
        build(instances, protection, shards=[0, protection.shards - 1]),
    )
    assert set(partial.shards) == {0, protection.shards - 1}
    assert all(shard.data == whole.shards[number].data for number, shard in partial.shards.items())


def test_shards_of_a_package_are_equal_but_for_header_and_cells(built: Built) -> None:
    start = built.tail.entry.index_start
    assert len({bytes(shard.data[start:]) for shard in built.shards.values()}) == 1
    assert built.tail.encode() == bytes(built.shards[0].data[start:])


@pytest.mark.parametrize("protection", [TWO_COPIES, FOUR_PLUS_TWO], ids=str)
def test_nothing_that_identifies_stands_in_clear_in_any_shard(protection: Protection) -> None:
    """No text of patient, study or file, no digest of an original: forget the key, and they are forgotten."""
    original = b"DICM \x10\x00\x10\x00PN\x0e\x00DURAND^ELODIE 1.2.840.99.7.1.5 " + random.Random(1).randbytes(
        300
    )
    built = build([[original], [original[:60]]], protection)
    row = built.contents.instances[0]
    secrets = [
        *("IPP-4711", "DURAND", "ÉLODIE", "ELODIE", "19610229", "20240131", "THORAX", "ACC-0815"),
        *("1.2.840", "CHEST", "LUNG", "ACME", row.blake3.hex(), row.sha256.hex()),
    ]
    clear = [secret.encode() for secret in secrets] + [row.blake3, row.sha256]
    clear += [original[at : at + 12] for at in range(0, len(original) - 12, 4)]
    for shard in built.shards.values():
        assert not [secret for secret in clear if secret in shard.data]


def test_a_package_of_nothing_is_a_package(built: Built) -> None:
    empty = build([], built.header.protection)
    assert empty.read(empty.shards) == []
    assert empty.tail.index == b""
    assert {shard.size_bytes for shard in empty.shards.values()} == {256 + len(empty.tail.manifest) + 512}


def test_an_instance_of_no_bytes_is_an_instance(built: Built) -> None:
    package = build([[], [b"x"]], built.header.protection)
    assert package.read(package.shards) == [b"", b"x"]


def test_memory_stays_bounded_whatever_the_size_of_the_package(tmp_path: Path) -> None:
    """Half a gigabyte is written, checked, read with two shards lost, and a shard rebuilt, in a few megabytes."""
    program = Path(__file__).with_name("large_package.py")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, program, tmp_path, "512"],
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
        text=True,
    )
    said = json.loads(done.stdout)
    assert said["equal"]
    assert said["stream_bytes"] > 512 * 2**20
    assert said["growth_bytes"] < 50 * 2**20, said
