"""Guarded records: 256 bytes that repair damage at unknown places inside themselves (format §3.1).

reedsolo defines the code and repairs; but its pure-Python encoder needs about a millisecond a record, which thousands
of small packages cannot afford. Encoding is linear, so the parity of a message is the XOR of precomputed parities of
its bytes; a test holds that this gives reedsolo's own bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import getitem, xor

import reedsolo

from retention.model.digests import DIGEST_BYTES, blake3_digest
from retention.model.errors import ShardDamagedError

RECORD_BYTES = 256
FIELDS_BYTES = 159
_MESSAGE_BYTES = FIELDS_BYTES + DIGEST_BYTES
_PARITY_BYTES = 64
_POLYNOMIAL = 0x11D


def protect(fields: bytes) -> bytes:
    """Return the 256-byte record of up to 159 bytes of fields (padded with zeros)."""
    padded = fields.ljust(FIELDS_BYTES, b"\0")
    if len(padded) != FIELDS_BYTES:
        raise ValueError(f"a guarded record holds at most {FIELDS_BYTES} bytes of fields, not {len(fields)}")
    message = padded + blake3_digest(padded)
    return message + _parity(message) + b"\0"


def recover(record: bytes) -> tuple[bytes, bool]:
    """Return the fields of a record, and whether any of its bytes are damaged.

    The digest alone decides whether fields count; parity is asked only when it does not match. Raises
    ShardDamagedError when the damage is beyond repair.
    """
    if len(record) != RECORD_BYTES:
        raise ShardDamagedError(f"a guarded record has {RECORD_BYTES} bytes, not {len(record)}")
    message, parity = record[:_MESSAGE_BYTES], record[_MESSAGE_BYTES:-1]
    if _is_whole(message):
        return message[:FIELDS_BYTES], _parity(message) != parity or record[-1] != 0
    try:
        repaired = bytes(reedsolo.RSCodec(_PARITY_BYTES).decode(record[:-1])[0])
    except reedsolo.ReedSolomonError as error:
        raise ShardDamagedError("a guarded record is damaged beyond repair") from error
    if not _is_whole(repaired):
        raise ShardDamagedError("a guarded record does not match its digest after repair")
    return repaired[:FIELDS_BYTES], True


def _is_whole(message: bytes) -> bool:
    return blake3_digest(message[:FIELDS_BYTES]) == message[FIELDS_BYTES:]


def _parity(message: bytes) -> bytes:
    parity = reduce(xor, map(getitem, _tables(), message.hex()))
    return parity.to_bytes(_PARITY_BYTES)


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, int], ...]:
    """Return, for each hexadecimal digit of a message, the parity that each of its values adds, as a number.

    A byte at position i stands for x^(254-i); its parity is x^(254-i) modulo the generator polynomial. Half bytes make
    small tables, ready in four milliseconds; a parity is the XOR of 382 numbers, 18 µs. Gathering in numpy took 47, and
    several times that among other threads, since each step hands Python's lock over.
    """
    of_bit = _parities_of_last_byte()
    carried = _sums(of_bit)  # what a byte that is shifted out at the top comes back as
    kept = (1 << 8 * (_PARITY_BYTES - 1)) - 1
    tables: list[dict[str, int]] = []
    for _ in range(_MESSAGE_BYTES):
        halves = _sums(of_bit[:4]), _sums(of_bit[4:])
        tables += [dict(zip("0123456789abcdef", sums, strict=True)) for sums in halves]
        of_bit = [((value & kept) << 8) ^ carried[value >> 8 * (_PARITY_BYTES - 1)] for value in of_bit]
    return tuple(reversed(tables))


def _sums(of_bit: Sequence[int]) -> list[int]:
    """Return the XOR of every choice among these values, in the order of the choice's bits."""
    sums = [0]
    for value in of_bit:
        sums += [value ^ other for other in sums]
    return sums


def _parities_of_last_byte() -> list[int]:
    """Return the parities of a message that is zero but for one bit of its last byte: x^64 times that bit."""
    generator = [1]
    root = 1
    for _ in range(_PARITY_BYTES):
        scaled = [_product(root, value) for value in generator]
        generator = [a ^ b for a, b in zip([*generator, 0], [0, *scaled], strict=True)]
        root = _product(root, 2)
    return [int.from_bytes(bytes(_product(1 << bit, value) for value in generator[1:])) for bit in range(8)]


def _product(a: int, b: int) -> int:
    """Return the product in GF(2^8)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a, b = a << 1, b >> 1
        if a & 0x100:
            a ^= _POLYNOMIAL
    return product
