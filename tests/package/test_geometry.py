"""The arithmetic of stripes and cells (format §4 and §5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.layout import Protection
from retention.package.geometry import Geometry, default_cell_bytes
from tests.package.conftest import examples

protections = st.sampled_from(
    [Protection.copies(1), Protection.copies(2), Protection(4, 2), Protection(10, 4)]
)
geometries = st.builds(Geometry, protections, st.integers(1, 300), st.integers(0, 20_000))


@examples
@given(geometries)
def test_stripes_are_k_cells_of_the_stream_and_the_last_may_be_shorter(geometry: Geometry) -> None:
    k, cell = geometry.protection.data, geometry.cell_bytes
    lengths = [geometry.stripe_length(stripe) for stripe in range(geometry.stripes)]
    assert sum(lengths) == geometry.stream_bytes
    assert all(length == k * cell for length in lengths[:-1])
    assert all(0 < length <= k * cell for length in lengths[-1:])


@examples
@given(geometries)
def test_cells_of_a_shard_lie_one_after_another(geometry: Geometry) -> None:
    k = geometry.protection.data
    cells = [geometry.cell_length(stripe) for stripe in range(geometry.stripes)]
    assert cells == [-(-geometry.stripe_length(stripe) // k) for stripe in range(geometry.stripes)]
    assert all(length == geometry.cell_bytes for length in cells[:-1])
    assert geometry.cells_bytes == sum(cells)


@examples
@given(geometries)
def test_the_index_has_a_place_for_every_cell(geometry: Geometry) -> None:
    """With copies, whose cells are equal, one a stripe; with a code one a cell, stripe by stripe."""
    shards = range(geometry.protection.shards)
    places = [geometry.digest_offset(s, shard) for s in range(geometry.stripes) for shard in shards]
    if geometry.protection.is_copies:
        places = places[:: len(shards)]
    assert places == list(range(0, geometry.index_bytes, 32))


@examples
@given(geometries, st.data())
def test_a_range_of_the_stream_is_cut_at_stripe_boundaries(geometry: Geometry, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, geometry.stream_bytes))
    length = data.draw(st.integers(0, geometry.stream_bytes - start))
    at = start
    for stripe, first, stop in geometry.stripes_of(start, length):
        assert at == stripe * geometry.stripe_bytes + first
        assert 0 <= first < stop <= geometry.stripe_length(stripe)
        at += stop - first
    assert at == start + length


@pytest.mark.parametrize("protection", [Protection.copies(2), Protection(4, 2)], ids=str)
def test_new_packages_have_stripes_of_256_kib(protection: Protection) -> None:
    assert Geometry(protection, default_cell_bytes(protection), 0).stripe_bytes == 256 * 1024


def test_an_empty_stream_has_no_stripes() -> None:
    empty = Geometry(Protection(4, 2), 64, 0)
    assert (empty.stripes, empty.cells_bytes, empty.index_bytes) == (0, 0, 0)
