"""Checking and rebuilding shards without any key (format §3 to §5): no flipped byte escapes, no guess is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import pytest

from retention.model.errors import (
    IntegrityError,
    KeyUnavailableError,
    PackageLostError,
    ShardDamagedError,
    UnsupportedFormatError,
)
from retention.model.identifiers import ArchiveId, InstitutionId, PackageId
from retention.model.layout import Protection
from retention.package import erasure
from retention.package.check import check_shard, expected_tail, rebuild
from retention.package.guard import protect
from retention.package.records import ShardHeader
from retention.package.shard import Reference, read_header, read_reference
from tests.package.conftest import FOUR_PLUS_TWO, TWO_COPIES, Built, MemoryShard, build, small_package

SHIPPED = [TWO_COPIES, FOUR_PLUS_TWO]


def rebuilt(
    reference: Reference, sources: dict[int, MemoryShard], generations: dict[int, int]
) -> dict[int, MemoryShard]:
    """Rebuild these shards, each as this generation."""
    targets = {shard: (generation, MemoryShard()) for shard, generation in generations.items()}
    rebuild(reference, sources, targets)
    return {shard: sink for shard, (_, sink) in targets.items()}


def test_a_shard_as_written_is_sound_and_all_of_it_was_read(built: Built) -> None:
    for number, shard in built.shards.items():
        found = check_shard(shard, built.reference, number)
        assert found.is_sound
        assert (found.parts, found.bad_cells, found.misplaced) == ([], [], None)
        assert found.read_bytes == shard.size_bytes


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
def test_any_flipped_bit_in_any_byte_is_found_in_the_part_where_it_is(protection: Protection) -> None:
    built = small_package(protection)
    reference, number = built.reference, protection.shards - 1
    shard, entry = built.shards[number], built.tail.entry
    bounds = {
        "header": 256,
        "cell": entry.index_start,
        "index": entry.manifest_start,
        "manifest": shard.size_bytes - 512,
        "table": shard.size_bytes - 256,
        "trailer": shard.size_bytes,
    }
    for offset in range(shard.size_bytes):
        found = check_shard(shard.flipped(offset, 1 << (offset % 8)), reference, number)
        assert not found.is_sound, offset
        part = next(name for name, end in bounds.items() if offset < end)
        if part == "cell":
            assert (found.parts, found.bad_cells) == ([], [(offset - 256) // 64]), offset
        else:
            assert (found.parts, found.bad_cells) == ([part], []), offset


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
def test_any_flipped_byte_is_read_through_and_never_read_wrong(protection: Protection) -> None:
    """With the other shards: as if nothing had happened. With just enough shards: the right bytes or an error.

    Guarded records, whose slow repair has tests of its own, are sampled; everything else is tried byte for byte.
    """
    built = small_package(protection)
    just_enough = {number: built.shards[number] for number in range(protection.data)}
    size = built.shards[0].size_bytes
    refused = 0
    for offset in [*range(0, 256, 9), *range(256, size - 512), *range(size - 512, size, 9)]:
        damaged = built.shards[0].flipped(offset)
        if offset % 5 == 0:
            assert built.read({**built.shards, 0: damaged}) == built.originals, offset
        try:
            assert built.read({**just_enough, 0: damaged}) == built.originals, offset
        except (IntegrityError, KeyUnavailableError):
            refused += 1
    assert refused >= built.reference.geometry.cells_bytes


@pytest.mark.parametrize("length", [0, 100, 256, 300, 700, -1])
def test_a_shard_cut_short_is_found(built: Built, length: int) -> None:
    shard = MemoryShard(bytes(built.shards[1].data[:length]))
    found = check_shard(shard, built.reference, 1)
    assert not found.is_sound
    assert "trailer" in found.parts


def test_bytes_behind_the_end_are_found_and_not_all_read(built: Built) -> None:
    shard = MemoryShard(bytes(built.shards[1].data) + bytes(100_000))
    found = check_shard(shard, built.reference, 1)
    assert (found.parts, found.bad_cells) == (["trailer"], [])
    assert found.read_bytes <= built.shards[1].size_bytes + 1


def test_every_bad_cell_is_named(coded: Built) -> None:
    for stripe in (0, 2):
        coded.bad_cell(3, stripe)
    assert check_shard(coded.shards[3], coded.reference, 3).bad_cells == [0, 2]


def test_cells_moved_within_a_shard_are_found(coded: Built) -> None:
    data = coded.shards[2].data
    data[256:320], data[320:384] = data[320:384], data[256:320]
    assert check_shard(coded.shards[2], coded.reference, 2).bad_cells == [0, 1]


def test_large_cells_are_checked_like_small_ones() -> None:
    built = build([[bytes(range(256)) * 2000, bytes(3_000_001)]], TWO_COPIES, 256 * 1024)
    stripes = built.reference.geometry.stripes
    built.bad_cell(1, stripes - 1)
    assert check_shard(built.shards[0], built.reference, 0).is_sound
    assert check_shard(built.shards[1], built.reference, 1).bad_cells == [stripes - 1]


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
def test_a_shard_under_another_number_is_misplaced(protection: Protection) -> None:
    built = small_package(protection)
    for number, other in combinations(range(protection.shards), 2):
        found = check_shard(built.shards[other], built.reference, number)
        assert found.misplaced == f"it is shard {other} of package {built.header.package}"
        assert not found.is_sound
        assert (found.bad_cells, found.read_bytes) == ([], 256)  # nothing more is asked of it


def test_a_shard_of_another_package_is_misplaced(built: Built) -> None:
    other = build([[b"other"]], built.header.protection, package=PackageId("0f" * 16))
    found = check_shard(other.shards[0], built.reference, 0)
    assert found.misplaced == f"it is shard 0 of package {'0f' * 16}"
    assert not found.is_sound


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        (
            lambda built: replace(built.header, institution=InstitutionId("0f" * 16)),
            f" of institution {'0f' * 16}",
        ),
        (lambda built: replace(built.header, archive=ArchiveId("0e" * 16)), f" of archive {'0e' * 16}"),
        (lambda built: replace(built.header, protection=Protection(3, 2)), " with protection 3+2"),
    ],
    ids=["institution", "archive", "protection"],
)
def test_a_shard_of_another_institution_archive_or_protection_is_misplaced_and_it_is_said_whose(
    built: Built, foreign: Callable[[Built], ShardHeader], said: str
) -> None:
    header = foreign(built)
    built.shards[0].data[:256] = header.encode()
    found = check_shard(built.shards[0], built.reference, 0)
    assert found.misplaced == f"it is shard 0 of package {built.header.package}{said}"
    assert found.header == header
    assert not found.is_sound


def test_a_shard_of_an_unknown_version_is_no_damage_but_refused(built: Built) -> None:
    """It may be whole: to make it anew in this version would be a guess."""
    fields = bytearray(built.header.of(1).encode()[:159])
    fields[8] = 2
    reference = built.reference
    built.shards[1].data[:256] = protect(bytes(fields))
    with pytest.raises(UnsupportedFormatError, match="version 2"):
        check_shard(built.shards[1], reference, 1)


def test_a_tail_consistently_rewritten_by_somebody_is_found(built: Built) -> None:
    forged = build([[b"forged"]], built.header.protection)
    found = check_shard(forged.shards[0], built.reference, 0)
    assert not found.is_sound


def test_a_repaired_generation_is_as_sound_as_the_first(built: Built) -> None:
    built.shards[1].data[:256] = built.header.of(1, generation=7).encode()
    assert check_shard(built.shards[1], built.reference, 1).is_sound


def test_the_tail_of_every_shard_follows_from_the_reference(built: Built) -> None:
    start = built.tail.entry.index_start
    for shard in built.shards.values():
        assert expected_tail(read_reference(shard)) == shard.data[start:]


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
def test_any_lost_shards_are_rebuilt_byte_for_byte_but_for_the_generation(protection: Protection) -> None:
    built = small_package(protection)
    for count in range(1, protection.parity + 1):
        for lost in combinations(range(protection.shards), count):
            left = built.without(*lost)
            reference = read_reference(next(iter(left.values())))
            for number, shard in rebuilt(reference, left, dict.fromkeys(lost, 1)).items():
                original = built.shards[number]
                assert shard.data[256:] == original.data[256:]
                assert shard.data[:256] == built.header.of(number, generation=1).encode()
                assert check_shard(shard, reference, number).is_sound


def test_each_rebuilt_shard_has_the_generation_asked_for(coded: Built) -> None:
    shards = rebuilt(coded.reference, coded.without(4, 5), {4: 1, 5: 3})
    assert [read_header(shards[number]).generation for number in (4, 5)] == [1, 3]


def test_shards_are_rebuilt_from_the_good_cells_of_damaged_ones(coded: Built) -> None:
    """All six shards are damaged, none of them alone could be done without: all six come back."""
    reference = coded.reference
    expected = {number: bytes(shard.data[256:]) for number, shard in coded.shards.items()}
    for stripe in range(reference.geometry.stripes):
        coded.bad_cell(2 * stripe % 6, stripe)
        coded.bad_cell((2 * stripe + 1) % 6, stripe)
    shards = rebuilt(reference, coded.shards, dict.fromkeys(range(6), 1))
    assert {number: bytes(shard.data[256:]) for number, shard in shards.items()} == expected


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
def test_a_rebuild_from_too_few_good_cells_is_refused(protection: Protection) -> None:
    built = small_package(protection)
    reference = built.reference
    for shard in range(protection.parity + 1):
        built.bad_cell(shard, 1)
    with pytest.raises(PackageLostError, match="stripe 1"):
        rebuilt(reference, built.shards, {0: 1})


@pytest.mark.parametrize("target", range(6))
def test_an_encoder_that_lies_ends_the_rebuild(
    coded: Built, target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = erasure.encode

    def lying(protection: Protection, stripe: bytes) -> Sequence[erasure.Buffer]:
        cells = [bytearray(cell) for cell in honest(protection, stripe)]
        cells[target][-1] ^= 1
        return [bytes(cell) for cell in cells]

    reference = coded.reference
    monkeypatch.setattr(erasure, "encode", lying)
    with pytest.raises(ShardDamagedError, match=f"shard {target}") as refused:
        rebuilt(reference, coded.shards, {target: 1})
    assert refused.value.hint is not None
    assert "memory" in refused.value.hint


def test_a_decoder_that_lies_ends_the_rebuild(coded: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = coded.reference
    monkeypatch.setattr(erasure, "decode", lambda protection, cells, stripe_bytes: bytes(stripe_bytes))
    with pytest.raises(ShardDamagedError, match="rebuilt cell"):
        rebuilt(reference, coded.without(0, 1), {0: 1, 1: 1})
