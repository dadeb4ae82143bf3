"""Guarded records: 256 bytes that repair damage at unknown places inside themselves (format §3.1).

reedsolo defines the code and repairs; but its pure-Python encoder needs about a millisecond a record, which thousands
of small packages cannot afford. Encoding is linear, so the parity of a message is the XOR of precomputed parities of
its bytes; a test holds that this gives reedsolo's own bytes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import reedsolo

from retention.model.digests import DIGEST_BYTES, blake3_digest
from retention.model.errors import ShardDamagedError

RECORD_BYTES = 256
FIELDS_BYTES = 159
_MESSAGE_BYTES = FIELDS_BYTES + DIGEST_BYTES
_PARITY_BYTES = 64
_POLYNOMIAL = 0x11D

_Table = npt.NDArray[np.uint8]


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
    products, parities = _tables()
    positions = products[np.frombuffer(message, np.uint8)[:, None], parities]
    return bytes(np.bitwise_xor.reduce(positions, axis=0).tobytes())


@lru_cache(maxsize=1)
def _tables() -> tuple[_Table, _Table]:
    """Multiplication in GF(2^8), and for each message position the parity of a one standing there.

    A byte at position i stands for x^(254-i); its parity is x^(254-i) modulo the generator polynomial.
    """
    exponents, logarithms = np.zeros(512, np.uint8), np.zeros(256, np.int64)
    value = 1
    for power in range(255):
        exponents[power] = exponents[power + 255] = value
        logarithms[value] = power
        value = value << 1 if value < 128 else (value << 1) ^ _POLYNOMIAL
    products = exponents[logarithms[:, None] + logarithms[None, :]]
    products[0, :] = products[:, 0] = 0

    generator = np.array([1], np.uint8)
    for power in range(_PARITY_BYTES):
        shifted = np.append(generator, np.uint8(0))
        shifted[1:] ^= products[exponents[power], generator]
        generator = shifted
    feedback = generator[1:]

    parities = np.zeros((_MESSAGE_BYTES, _PARITY_BYTES), np.uint8)
    remainder = feedback.copy()
    for position in range(_MESSAGE_BYTES - 1, -1, -1):
        parities[position] = remainder
        carried = remainder[0]
        remainder = np.append(remainder[1:], np.uint8(0)) ^ products[carried, feedback]
    return products, parities
