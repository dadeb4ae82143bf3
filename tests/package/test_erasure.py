"""Stripes to cells and back (format §5): the code written out, every loss it bears, every loss it does not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import reduce
from itertools import combinations
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import PackageLostError, UnsupportedFormatError
from retention.model.layout import Protection
from retention.package import erasure
from tests.package.conftest import examples

SHIPPED = [Protection.copies(2), Protection(4, 2)]
WIDER = [Protection.copies(3), Protection(2, 1), Protection(8, 3), Protection(10, 4), Protection(20, 12)]


def multiply(a: int, b: int) -> int:
    """Multiply in GF(2^8) with polynomial 0x11d, as one learns it."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 if a < 128 else (a << 1) ^ 0x11D
        b >>= 1
    return product


def inverse(a: int) -> int:
    return next(b for b in range(256) if multiply(a, b) == 1)


def cauchy(protection: Protection) -> list[list[int]]:
    """Return the rows `[identity; a]` of format §5."""
    k = protection.data
    identity = [[int(row == column) for column in range(k)] for row in range(k)]
    return identity + [[inverse((k + r) ^ j) for j in range(k)] for r in range(protection.parity)]


def combine(rows: list[list[int]], cells: list[bytes]) -> list[bytes]:
    """Return matrix times cells, byte by byte."""
    return [
        bytes(
            reduce(xor, (multiply(a, byte) for a, byte in zip(row, column, strict=True)))
            for column in zip(*cells, strict=True)
        )
        for row in rows
    ]


def invert(rows: list[list[int]]) -> list[list[int]]:
    """Invert a square matrix over GF(2^8) by Gauss and Jordan."""
    size = len(rows)
    work = [row + [int(i == j) for j in range(size)] for i, row in enumerate(rows)]
    for column in range(size):
        pivot = next(row for row in range(column, size) if work[row][column])
        work[column], work[pivot] = work[pivot], work[column]
        factor = inverse(work[column][column])
        work[column] = [multiply(factor, value) for value in work[column]]
        for row in range(size):
            if row != column and work[row][column]:
                factor = work[row][column]
                work[row] = [v ^ multiply(factor, p) for v, p in zip(work[row], work[column], strict=True)]
    return [row[size:] for row in work]


def data_cells(protection: Protection, stripe: bytes) -> list[bytes]:
    """Return the stripe, padded with zeros, cut into k cells."""
    length = -(-len(stripe) // protection.data)
    padded = stripe.ljust(length * protection.data, b"\0")
    return [padded[i * length : (i + 1) * length] for i in range(protection.data)]


def encoded(protection: Protection, stripe: bytes) -> dict[int, bytes]:
    return {number: bytes(cell) for number, cell in enumerate(erasure.encode(protection, stripe))}


def losses(protection: Protection, count: int) -> Iterator[tuple[int, ...]]:
    return combinations(range(protection.shards), count)


@pytest.mark.parametrize("protection", [p for p in SHIPPED + WIDER if not p.is_copies], ids=str)
def test_cells_are_those_of_the_cauchy_matrix_in_the_format(protection: Protection) -> None:
    stripe = random.Random(1).randbytes(protection.data * 9 - 1)
    expected = combine(cauchy(protection), data_cells(protection, stripe))
    assert list(encoded(protection, stripe).values()) == expected


@pytest.mark.parametrize("protection", [Protection(4, 2), Protection(2, 1)], ids=str)
def test_the_formats_recipe_alone_decodes_every_choice_of_k_cells(protection: Protection) -> None:
    stripe = random.Random(2).randbytes(protection.data * 5)
    cells = encoded(protection, stripe)
    rows = cauchy(protection)
    for chosen in combinations(range(protection.shards), protection.data):
        inverted = invert([rows[number] for number in chosen])
        assert b"".join(combine(inverted, [cells[number] for number in chosen])) == stripe


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_copy_is_the_stripe(count: int) -> None:
    assert encoded(Protection.copies(count), b"stripe") == dict.fromkeys(range(count), b"stripe")


@pytest.mark.parametrize("protection", SHIPPED + WIDER[:-1], ids=str)
def test_every_loss_of_up_to_m_cells_decodes(protection: Protection) -> None:
    stripe = random.Random(3).randbytes(protection.data * 16 - 3)
    cells = encoded(protection, stripe)
    for count in range(protection.parity + 1):
        for lost in losses(protection, count):
            left = {number: cell for number, cell in cells.items() if number not in lost}
            assert erasure.decode(protection, left, len(stripe)) == stripe, lost


@pytest.mark.parametrize("protection", SHIPPED + WIDER[:-1], ids=str)
def test_every_loss_of_more_cells_is_refused(protection: Protection) -> None:
    cells = encoded(protection, b"a stripe of some bytes")
    for lost in losses(protection, protection.parity + 1):
        left = {number: cell for number, cell in cells.items() if number not in lost}
        with pytest.raises(PackageLostError, match="needed"):
            erasure.decode(protection, left, 22)


def test_a_loss_of_everything_is_refused() -> None:
    with pytest.raises(PackageLostError):
        erasure.decode(Protection.copies(2), {}, 1)


@pytest.mark.parametrize("protection", SHIPPED, ids=str)
@examples
@given(stripe=st.binary(min_size=1, max_size=300), random_seed=st.integers(0, 2**32))
def test_any_stripe_of_any_length_comes_back(protection: Protection, stripe: bytes, random_seed: int) -> None:
    cells = encoded(protection, stripe)
    assert {len(cell) for cell in cells.values()} == {-(-len(stripe) // protection.data)}
    kept = random.Random(random_seed).sample(range(protection.shards), protection.data)
    assert erasure.decode(protection, {number: cells[number] for number in kept}, len(stripe)) == stripe


def test_full_sized_stripes_come_back() -> None:
    protection, stripe = Protection(4, 2), random.Random(4).randbytes(256 * 1024)
    cells = encoded(protection, stripe)
    assert erasure.decode(protection, {n: cells[n] for n in (1, 3, 4, 5)}, len(stripe)) == stripe


def test_more_cells_than_needed_do_no_harm() -> None:
    protection, stripe = Protection(4, 2), b"0123456789"
    cells = encoded(protection, stripe)
    del cells[0]
    assert erasure.decode(protection, cells, len(stripe)) == stripe


@pytest.mark.parametrize(
    ("scheme", "k", "m"), [(0, 1, 1), (3, 4, 2), (1, 2, 1), (2, 1, 1), (2, 4, 0), (2, 31, 2)]
)
def test_unknown_schemes_are_refused(scheme: int, k: int, m: int) -> None:
    with pytest.raises(UnsupportedFormatError):
        erasure.protection_of(scheme, k, m)


@pytest.mark.parametrize("protection", [*SHIPPED, *WIDER, Protection.copies(1)], ids=str)
def test_every_protection_has_its_scheme(protection: Protection) -> None:
    scheme = erasure.scheme_of(protection)
    assert scheme == (1 if protection.data == 1 else 2)
    assert erasure.protection_of(scheme, protection.data, protection.parity) == protection
