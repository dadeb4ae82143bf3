"""Stripes to cells and back (format §5), by ISA-L through PyECLib, without PyECLib's fragment headers.

Only cells whose digests were checked may come here: a wrong cell decodes silently to wrong bytes. PyECLib's 80-byte
fragment header depends on lengths and cell number alone, so it is dropped on write and made again for decoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from retention.model.errors import PackageLostError, UnsupportedFormatError
from retention.model.layout import Protection

Buffer = bytes | memoryview

SCHEME_COPIES = 1
SCHEME_CAUCHY = 2
MAX_SHARDS = 32

_FRAGMENT_HEADER_BYTES = 80


def scheme_of(protection: Protection) -> int:
    """Return the scheme number of format §3.2."""
    return SCHEME_COPIES if protection.is_copies else SCHEME_CAUCHY


def protection_of(scheme: int, data: int, parity: int) -> Protection:
    """Return the protection a header names. Raises UnsupportedFormatError for what version 1 does not know."""
    protection = Protection(data, parity)
    fits = data >= 1 and parity >= (0 if protection.is_copies else 1) and protection.shards <= MAX_SHARDS
    if scheme not in (SCHEME_COPIES, SCHEME_CAUCHY) or not fits or scheme != scheme_of(protection):
        raise UnsupportedFormatError(
            f"unknown protection: scheme {scheme}, {data} data and {parity} parity shards",
            hint="the package may come from a newer version of retention; upgrade to read it",
        )
    return protection


def encode(protection: Protection, stripe: bytes) -> Sequence[Buffer]:
    """Return the cells of one stripe, by shard number."""
    if protection.is_copies:
        return [stripe] * protection.shards
    cell_bytes = -(-len(stripe) // protection.data)
    fragments = _driver(protection.data, protection.parity).encode(
        stripe.ljust(cell_bytes * protection.data, b"\0")
    )
    return [memoryview(fragment)[_FRAGMENT_HEADER_BYTES:] for fragment in fragments]


def decode(protection: Protection, cells: Mapping[int, bytes], stripe_bytes: int) -> bytes:
    """Return the stripe from any `data` of its cells. Raises PackageLostError when there are fewer."""
    data = protection.data
    if len(cells) < data:
        raise PackageLostError(f"{len(cells)} of {protection.shards} cells are left, {data} are needed")
    if protection.is_copies:
        return next(iter(cells.values()))
    if all(number in cells for number in range(data)):
        return b"".join(cells[number] for number in range(data))[:stripe_bytes]
    cell_bytes = len(next(iter(cells.values())))
    headers = _fragment_headers(protection.data, protection.parity, cell_bytes)
    chosen = sorted(cells)[:data]
    fragments = [headers[number] + cells[number] for number in chosen]
    return _driver(protection.data, protection.parity).decode(fragments)[:stripe_bytes]


class _Driver(Protocol):
    def encode(self, data_bytes: bytes) -> list[bytes]: ...

    def decode(self, fragment_payloads: list[bytes]) -> bytes: ...


@lru_cache(maxsize=16)
def _driver(data: int, parity: int) -> _Driver:
    from pyeclib.ec_iface import ECDriver

    driver: _Driver = ECDriver(k=data, m=parity, ec_type="isa_l_rs_cauchy")
    return driver


@lru_cache(maxsize=64)
def _fragment_headers(data: int, parity: int, cell_bytes: int) -> tuple[bytes, ...]:
    fragments = _driver(data, parity).encode(bytes(cell_bytes * data))
    return tuple(fragment[:_FRAGMENT_HEADER_BYTES] for fragment in fragments)
