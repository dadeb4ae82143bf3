"""The tree's hashes in files: what is read from them is what RFC 9162 computes from the leaves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.journal.merkle import (
    HASH_BYTES,
    LeafRange,
    consistency_proof,
    consistency_ranges,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    root_of,
)
from retention.journal.tiles import WIDTH, Tiles

LEAVES = [leaf_hash(b"%d" % number) for number in range(WIDTH * WIDTH + 3 * WIDTH + 5)]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    tiles = Tiles(tmp_path_factory.mktemp("tiles"))
    tiles.extend([LEAVES[:1000], LEAVES[1000:]], 0)
    return tiles


sizes = st.integers(1, len(LEAVES))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_proofs_are_those_of_the_leaves(large, data):
    size = data.draw(sizes)
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    leaves = LEAVES[:size]
    assert large.roots(inclusion_ranges(index, size)) == inclusion_proof(leaves, index)
    assert large.roots(consistency_ranges(first, size)) == consistency_proof(leaves, first)
    assert large.roots([LeafRange(0, size)]) == [root_of(leaves)]
    assert large.leaf(index) == LEAVES[index]


def test_each_file_is_the_tiles_of_one_level(large, tmp_path):
    tiles = Tiles(tmp_path)
    tiles.extend([LEAVES[: 2 * WIDTH + 1]], 0)
    assert (tmp_path / "0").read_bytes() == b"".join(LEAVES[: 2 * WIDTH + 1])
    assert (tmp_path / "1").read_bytes() == root_of(LEAVES[:WIDTH]) + root_of(LEAVES[WIDTH : 2 * WIDTH])
    assert large.size == len(LEAVES)


@given(st.lists(st.integers(0, 700), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_growing_in_steps_gives_the_same_files(tmp_path_factory, steps):
    grown, at = Tiles(tmp_path_factory.mktemp("tiles")), 0
    for step in steps:
        grown.extend([LEAVES[at : at + step]], at)
        at += step
    assert grown.size == at
    if at:
        assert grown.roots([LeafRange(0, at)]) == [root_of(LEAVES[:at])]


def test_leaves_that_are_there_stay_and_a_gap_is_refused(tmp_path):
    tiles = Tiles(tmp_path)
    tiles.extend([LEAVES[:10]], 0)
    tiles.extend([LEAVES[5:12]], 5)
    assert tiles.size == 12
    with pytest.raises(ValueError, match="12 to 12 are lacking"):
        tiles.extend([LEAVES[13:]], 13)
    with pytest.raises(ValueError, match="lacking"):
        tiles.leaf(12)


@pytest.mark.parametrize("lost_bytes", [1, HASH_BYTES, 300 * HASH_BYTES])
@pytest.mark.parametrize("level", ["0", "1"])
def test_what_a_killed_writer_left_is_mended(tmp_path, level, lost_bytes):
    tiles, count = Tiles(tmp_path), 3 * WIDTH + 7
    tiles.extend([LEAVES[:count]], 0)
    path = tmp_path / level
    path.write_bytes(path.read_bytes()[:-lost_bytes])
    tiles.extend([LEAVES[:count]], 0)
    assert tiles.roots([LeafRange(0, count)]) == [root_of(LEAVES[:count])]
    tiles.clear()
    assert tiles.size == 0
