"""Reading from whatever shards there are (format §9): right bytes or an error, from far more damage than m shards."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import (
    KeyUnavailableError,
    PackageLostError,
    ShardDamagedError,
    UnsupportedFormatError,
    VolumeUnavailableError,
)
from retention.model.identifiers import PackageId
from retention.model.layout import Protection
from retention.package import erasure, packing
from retention.package.manifest import BlockRow, Contents, InstanceRow
from retention.package.reader import PackageReader, StripeReader, find_reference
from retention.package.records import ShardHeader
from retention.package.sealing import Sealer, block_number
from retention.package.shard import read_reference
from retention.package.writer import PackageWriter, make_tail
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
    small_package,
    write_instance,
)

SEALER = Sealer.of(DATA_KEY, PACKAGE, INSTITUTION)
SHIPPED = [TWO_COPIES, FOUR_PLUS_TWO]


class DeadShard(MemoryShard):
    """A shard whose volume fails whenever it is read."""

    def read_at(self, offset: int, length: int) -> bytes:
        raise VolumeUnavailableError("input/output error")


def read_all(reader: PackageReader) -> list[bytes]:
    return [b"".join(reader.read_instance(row)) for row in reader.contents.instances]


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
def test_every_loss_of_up_to_m_shards_is_read_through(protection: Protection) -> None:
    built = small_package(protection)
    for count in range(protection.parity + 1):
        for lost in combinations(range(protection.shards), count):
            assert built.read(built.without(*lost)) == built.originals, lost


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
def test_every_loss_of_more_shards_is_refused(protection: Protection) -> None:
    built = small_package(protection)
    for lost in combinations(range(protection.shards), protection.parity + 1):
        with pytest.raises(PackageLostError):
            built.read(built.without(*lost))


def test_all_six_shards_damaged_still_serve_when_no_stripe_has_more_than_two_bad_cells(coded: Built) -> None:
    stripes = coded.reference.geometry.stripes
    assert stripes >= 3
    for stripe in range(stripes):
        coded.bad_cell(2 * stripe % 6, stripe)
        coded.bad_cell((2 * stripe + 1) % 6, stripe)
    assert coded.read(coded.shards) == coded.originals


def test_both_copies_damaged_still_serve_when_no_stripe_is_bad_in_both() -> None:
    built = small_package(TWO_COPIES)
    for stripe in range(built.reference.geometry.stripes):
        built.bad_cell(stripe % 2, stripe)
    assert built.read(built.shards) == built.originals


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
def test_a_stripe_with_too_many_bad_cells_loses_its_instance_and_no_other(protection: Protection) -> None:
    width = protection.data * 64
    instances = [[random.Random(number).randbytes(width - 16)] for number in range(3)]
    built = build(instances, protection)
    for shard in range(protection.parity + 1):
        built.bad_cell(shard, 1)
    reader = PackageReader(find_reference(built.shards), built.shards, built.sealer)
    first, second, third = reader.contents.instances
    assert b"".join(reader.read_instance(first)) == instances[0][0]
    with pytest.raises(PackageLostError, match=f"{PACKAGE}, stripe 1") as lost:
        b"".join(reader.read_instance(second))
    assert lost.value.hint is not None
    assert b"".join(reader.read_instance(third)) == instances[2][0]


@examples
@given(st.sampled_from(SHIPPED), st.integers(0, 2**32))
def test_any_mix_of_bad_cells_is_read_through_or_refused_exactly_by_the_rule(
    protection: Protection, seed: int
) -> None:
    built, rng = small_package(protection), random.Random(seed)
    worst = 0
    for stripe in range(built.reference.geometry.stripes):
        bad = rng.sample(range(protection.shards), min(rng.choice([0, 1, 2, 2, 2, 3]), protection.shards))
        if rng.random() < 0.8:
            bad = bad[: protection.parity]
        worst = max(worst, len(bad))
        for shard in bad:
            built.bad_cell(shard, stripe)
    if worst <= protection.parity:
        assert built.read(built.shards) == built.originals
    else:
        with pytest.raises(PackageLostError):
            built.read(built.shards)


def test_reading_one_instance_touches_its_stripes_alone() -> None:
    instances = [[random.Random(number).randbytes(256 - 16)] for number in range(20)]
    built = build(instances, FOUR_PLUS_TWO)
    reader = PackageReader(find_reference(built.shards), built.shards, built.sealer)
    for shard in built.shards.values():
        shard.reads.clear()
    assert b"".join(reader.read_instance(reader.contents.instances[7])) == instances[7][0]
    assert {read for shard in built.shards.values() for read in shard.reads} == {(256 + 7 * 64, 64)}
    assert [len(built.shards[number].reads) for number in range(6)] == [1, 1, 1, 1, 0, 0]


def test_a_shard_that_cannot_be_read_counts_as_missing(built: Built) -> None:
    dead: dict[int, MemoryShard] = {
        number: DeadShard(bytes(4096)) for number in range(built.header.protection.parity)
    }
    assert built.read({**built.shards, **dead}) == built.originals


def test_header_and_trailer_may_be_destroyed_where_another_shard_has_them(built: Built) -> None:
    """Its cells still serve: here they are needed, for as many others as may be are gone."""
    wrecked = built.shards[0]
    wrecked.data[:256] = wrecked.data[-512:-256] = wrecked.data[-256:] = bytes(256)
    kept = {0: wrecked}
    for number in range(built.header.protection.data - 1):
        kept[number + 1] = built.shards[number + 1]
    if len(kept) == 1:
        with pytest.raises(PackageLostError):
            built.read(kept)
    else:
        assert built.read(kept) == built.originals


def test_the_reference_is_the_one_the_journal_committed_to(built: Built) -> None:
    """A volume rewritten consistently by somebody is consistent, and not what was committed."""
    rewritten = build([[b"forged"]], built.header.protection)
    mixed = {**built.shards, 0: rewritten.shards[0]}
    root = built.tail.entry.index_root
    assert find_reference(mixed, root).index == built.tail.index
    with pytest.raises(PackageLostError, match="journal"):
        find_reference(rewritten.shards, root)


def test_a_manifest_consistently_rewritten_by_somebody_is_not_the_one_committed_to(built: Built) -> None:
    """Without the key it cannot be opened any more; taken for the truth it would spread to the other shards."""
    root, digest = built.tail.entry.index_root, built.tail.entry.manifest_digest
    forged = built.tail.manifest[:-1] + bytes([built.tail.manifest[-1] ^ 1])
    geometry = built.reference.geometry
    tail = make_tail(geometry, built.tail.index, forged, built.header.package, built.tail.entry.key)
    built.shards[0].data[built.tail.entry.index_start :] = tail.encode()
    assert find_reference(built.shards, root).manifest == forged
    assert find_reference(built.shards, root, digest).manifest == built.tail.manifest
    with pytest.raises(PackageLostError, match="manifest the journal"):
        find_reference({0: built.shards[0]}, root, digest)


def test_without_any_whole_shard_the_error_names_what_is_wrong_with_each(built: Built) -> None:
    for shard in built.shards.values():
        shard.data[-256:] = bytes(256)
    with pytest.raises(PackageLostError, match=r"shard 0: .*; shard 1: "):
        find_reference(built.shards)
    with pytest.raises(PackageLostError, match="no shard was found"):
        find_reference({})


def test_shards_under_each_others_numbers_are_never_read_wrong(coded: Built) -> None:
    for one, other in combinations(range(6), 2):
        swapped = {**coded.shards, one: coded.shards[other], other: coded.shards[one]}
        assert coded.read(swapped) == coded.originals
    turned = {number: coded.shards[(number + 1) % 6] for number in range(6)}
    with pytest.raises(PackageLostError):
        coded.read(turned)


def test_a_shard_of_another_package_is_never_used(built: Built) -> None:
    other = build([[b"other", bytes(600)]], built.header.protection, package=PackageId("0f" * 16))
    parity = built.header.protection.parity
    reference = built.reference
    foreign = {**built.shards, **{number: other.shards[number] for number in range(parity)}}
    assert read_all(PackageReader(reference, foreign, built.sealer)) == built.originals
    foreign[parity] = other.shards[parity]
    with pytest.raises(PackageLostError):
        read_all(PackageReader(reference, foreign, built.sealer))


def test_a_wrong_key_opens_nothing(built: Built) -> None:
    with pytest.raises(KeyUnavailableError):
        PackageReader(built.reference, built.shards, Sealer.of(bytes(32), PACKAGE, INSTITUTION))


def test_a_decoder_that_lies_is_never_believed(coded: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = erasure.decode

    def lying(protection: Protection, cells: Mapping[int, bytes], stripe_bytes: int) -> bytes:
        stripe = bytearray(honest(protection, cells, stripe_bytes))
        stripe[len(stripe) // 2] ^= 1
        return bytes(stripe)

    monkeypatch.setattr(erasure, "decode", lying)
    with pytest.raises(KeyUnavailableError):
        coded.read(coded.without(0, 1))


def package_of(contents: Contents, stream: bytes) -> PackageReader:
    """Return a reader of a package whose manifest says what the test wants."""
    shards = {number: MemoryShard() for number in range(2)}
    header = ShardHeader(ARCHIVE, INSTITUTION, PACKAGE, TWO_COPIES, 64, 0, 0)
    writer = PackageWriter(header, KEY, SEALER, shards)
    writer.append(stream)
    writer.finish("study", CREATED_AT, contents)
    return PackageReader(read_reference(shards[0]), shards, SEALER)


def sound_row(plain: bytes) -> tuple[InstanceRow, bytes]:
    """Return the row of a one-block instance, and its stream."""
    sink = MemoryShard()
    header = ShardHeader(ARCHIVE, INSTITUTION, PACKAGE, Protection.copies(1), 64, 0, 0)
    row = write_instance(PackageWriter(header, KEY, SEALER, {0: sink}), SEALER, 0, [plain])
    block = row.blocks[0]
    assert block.packing == packing.Packing.PLAIN
    return row, SEALER.seal_block(0, 0, plain)


ROW, STREAM = sound_row(b"bytes as received")


@pytest.mark.parametrize(
    "row",
    [
        replace(ROW, blake3=bytes(32)),
        replace(ROW, size_bytes=ROW.size_bytes + 1),
        replace(ROW, blocks=()),
    ],
    ids=["BLAKE3", "size", "no blocks"],
)
def test_an_instance_that_does_not_match_what_was_received_is_refused(row: InstanceRow) -> None:
    reader = package_of(Contents(STUDY, [SERIES], [ROW, row]), STREAM)
    assert b"".join(reader.read_instance(ROW)) == b"bytes as received"
    with pytest.raises(ShardDamagedError, match="digests"):
        b"".join(reader.read_instance(row))


def test_sha_256_is_for_outsiders_and_not_computed_again() -> None:
    row = replace(ROW, sha256=bytes(32))
    assert (
        b"".join(package_of(Contents(STUDY, [SERIES], [row]), STREAM).read_instance(row))
        == b"bytes as received"
    )


@pytest.mark.parametrize("number", [3, 200])
def test_a_block_of_an_unknown_packing_is_refused(number: int) -> None:
    row = replace(ROW, blocks=(replace(ROW.blocks[0], packing=number),))
    reader = package_of(Contents(STUDY, [SERIES], [row]), SEALER.seal_block(0, number, b"bytes as received"))
    with pytest.raises(UnsupportedFormatError, match=f"packing {number}"):
        b"".join(reader.read_instance(row))


def test_a_block_under_another_packing_than_it_was_sealed_with_is_refused() -> None:
    row = replace(ROW, blocks=(replace(ROW.blocks[0], packing=1),))
    with pytest.raises(KeyUnavailableError):
        b"".join(package_of(Contents(STUDY, [SERIES], [row]), STREAM).read_instance(row))


@pytest.mark.parametrize(
    ("start", "stored_bytes"), [(0, len(STREAM) + 1), (1, len(STREAM)), (-1, 5), (10**6, 1)]
)
def test_a_block_outside_its_package_is_refused(start: int, stored_bytes: int) -> None:
    row = replace(ROW, blocks=(replace(ROW.blocks[0], start=start, stored_bytes=stored_bytes),))
    with pytest.raises(ShardDamagedError, match="outside"):
        b"".join(package_of(Contents(STUDY, [SERIES], [row]), STREAM).read_instance(row))


HEAD = b"(0008,0016) UI 1.2.840.10008.5.1.4.1.1.2 (0028,0010) US 512 " * 20


def with_dictionary(names: int | None) -> tuple[PackageReader, InstanceRow]:
    """Return a package of two heads, the second packed with the first and naming `names` as its dictionary."""
    dictionary = packing.Dictionary(block_number(0, 0), HEAD)
    packs = [
        packing.pack(memoryview(HEAD), packing.Content.HEAD),
        packing.pack(memoryview(HEAD[::-1] + HEAD), packing.Content.HEAD, dictionary),
    ]
    stream, rows = b"", []
    for ordinal, (plain, packed) in enumerate(zip([HEAD, HEAD[::-1] + HEAD], packs, strict=True)):
        sealed = SEALER.seal_block(block_number(ordinal, 0), packed.packing, packed.data)
        block = BlockRow(len(stream), len(sealed), len(plain), packed.packing, names if ordinal else None)
        rows.append(
            replace(
                sound_row(plain[:1] + random.Random(1).randbytes(50))[0], ordinal=ordinal, blocks=(block,)
            )
        )
        stream += sealed
    return package_of(Contents(STUDY, [SERIES], rows), stream), rows[1]


def test_a_head_packed_with_another_head_as_dictionary_comes_back() -> None:
    reader, row = with_dictionary(block_number(0, 0))
    assert next(iter(reader.read_instance(row))) == HEAD[::-1] + HEAD


@pytest.mark.parametrize(
    "names",
    [block_number(0, 1), block_number(7, 0), block_number(1, 0)],
    ids=["no part", "no instance", "itself"],
)
def test_a_dictionary_that_is_none_is_refused(names: int) -> None:
    reader, row = with_dictionary(names)
    with pytest.raises(ShardDamagedError, match="dictionary"):
        b"".join(reader.read_instance(row))


def test_a_range_outside_the_stream_is_refused(built: Built) -> None:
    reader = StripeReader(built.reference, built.shards)
    end = built.reference.geometry.stream_bytes
    assert len(reader.read(0, end)) == end
    assert reader.read(end, 0) == b""
    for start, length in ((-1, 1), (0, end + 1), (end, 1)):
        with pytest.raises(ShardDamagedError, match="outside"):
            reader.read(start, length)


@pytest.mark.parametrize("at", [0, 63, 64, 191])
def test_a_decoder_that_lies_is_found_out_before_a_byte_is_used(
    coded: Built, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad memory or a broken library: what was decoded must match the index, as what was read must."""
    honest = erasure.decode

    def lying(protection: Protection, cells: Mapping[int, bytes], stripe_bytes: int) -> bytes:
        stripe = bytearray(honest(protection, cells, stripe_bytes))
        stripe[at] ^= 1
        return bytes(stripe)

    monkeypatch.setattr(erasure, "decode", lying)
    reader = StripeReader(coded.reference, coded.without(at // 64))
    with pytest.raises(ShardDamagedError, match=f"stripe 0, shard {at // 64}") as refused:
        reader.stripe(0)
    assert refused.value.hint is not None
    assert "memory" in refused.value.hint
