#!/usr/bin/env python3
"""Bring the DICOM files of a "retention" archive back from its volumes. Nothing but this one file is needed.

    python recover.py --key FILE --out OUT VOLUME...
    python recover.py --recovery-key --out OUT VOLUME...        (asks for the key: a command line is no place for it)

It works without the program that wrote the archive, without its catalog, without its journal and without a network.
It is also meant to be read, should Python no longer run it one day. FORMAT.md beside it describes the packages; the
comments here name its sections as "F 3.1". The keyring is described in docs/journal.md of the program ("J 4.3"), and
in short here, before the class Keyring.

What it holds to:
- Volumes are only read. Files are only added to OUT, never replaced.
- A file gets its name after its size, BLAKE3 and SHA-256 were compared with what was recorded on the day it was
  received. There is never a wrong or half-written file under a final name.
- What cannot be brought back is named: the study, the instance, and what is missing.
- What it writes only its owner can read; a key is read from a file, a prompt or stdin, never from the command line.
- Memory stays small whatever a study's size: a block at a time, beside the index and the manifest of one package.

It needs Python 3.9 or later and a Zstandard decoder: the package `zstandard`, or Python 3.14 or later. It is much
quicker with the packages `blake3`, `cryptography`, `reedsolo` and `numpy`, and does without any of them.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import getpass
import hashlib
import hmac
import importlib
import itertools
import json
import os
import re
import struct
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, BinaryIO

EXIT_ALL, EXIT_FAILED, EXIT_USAGE, EXIT_SOME_MISSING = 0, 1, 2, 3


class GivingUpError(Exception):
    """The whole run cannot go on."""


class LostError(Exception):
    """A package, an instance or a block cannot be brought back; the text says why."""


# ---------------------------------------------------------------------------------------------------------------------
# Libraries. Each but Zstandard has a replacement below. RECOVER_WITHOUT=blake3,numpy acts as if these were not there.

WITHOUT = set(os.environ.get("RECOVER_WITHOUT", "").replace(",", " ").split())


def library(name: str, is_itself: Callable[[Any], bool] = bool) -> Any:
    """Return a module; None if it is not there, not wanted, or does not give a known answer.

    A library of the same name may be something else one day.
    """
    if name.partition(".")[0] in WITHOUT:
        return None
    try:
        module = importlib.import_module(name)
        return module if is_itself(module) else None
    except Exception:  # a broken installation is as good as none
        return None


zstandard = library("zstandard")
stdlib_zstd: Any = None if zstandard else library("compression.zstd") or library("backports.zstd")
blake3_library = library(
    "blake3",
    lambda it: it.blake3(b"").hexdigest() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
)
aead = library(
    "cryptography.hazmat.primitives.ciphers.aead",
    # The tag of nothing, under zeros: GCM specification, test case 13.
    lambda it: it.AESGCM(bytes(32)).decrypt(bytes(12), bytes.fromhex("530f8afbc74536b9a963b4f1c4cb738b"), b"") == b"",
)
reedsolo = library("reedsolo")
numpy = library("numpy")


def describe_libraries() -> tuple[list[str], list[str]]:
    """Return what is used, and what is replaced by pure Python."""
    used, replaced = [], []
    for module, replaced_as in (
        (zstandard or stdlib_zstd, "zstandard"),
        (blake3_library, "blake3 (about 10 MB/s)"),
        (aead, "cryptography (about 5 MB/s)"),
        (reedsolo, "reedsolo (used for damaged headers only)"),
        (numpy, "numpy (16-bit images about 20 MB/s)"),
    ):
        if module is None:
            replaced.append(replaced_as)
            continue
        top = module.__name__.partition(".")[0]
        name = module.__name__ if module is stdlib_zstd else top
        used.append(f"{name} {getattr(sys.modules[top], '__version__', '')}".strip())
    return used, replaced


# ---------------------------------------------------------------------------------------------------------------------
# BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs). The replacement works on many chunks at once: one Python integer
# holds one 32-bit word of every chunk, each in a lane of 64 bits, so that sums and shifts cannot reach the next lane.

_IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_MIXED = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT, _KEYED, _DERIVE_CONTEXT, _DERIVE_MATERIAL = 1, 2, 4, 8, 16, 32, 64
_CHUNK = 1024
_BATCH = 128 * _CHUNK  # a power of two of chunks


_Node = tuple[Sequence[int], Sequence[int], tuple[int, int], int, int]  # chaining values, words, counter, length, flags


def _compress(
    chaining: Sequence[int], words: Sequence[int], counter: tuple[int, int], length: int, flags: int, ones: int
) -> list[int]:
    """Return the next chaining values. `ones` has a one in every lane."""
    mask = ones * 0xFFFFFFFF
    v = [*chaining, *(word * ones for word in _IV[:4]), *counter, length * ones, flags * ones]
    for turn in range(7):
        if turn:
            words = [words[i] for i in _PERMUTATION]
        for i, (a, b, c, d) in enumerate(_MIXED):
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            va = (va + vb + words[2 * i]) & mask
            vd ^= va
            vd = ((vd >> 16) | (vd << 16)) & mask
            vc = (vc + vd) & mask
            vb ^= vc
            vb = ((vb >> 12) | (vb << 20)) & mask
            va = (va + vb + words[2 * i + 1]) & mask
            vd ^= va
            vd = ((vd >> 8) | (vd << 24)) & mask
            vc = (vc + vd) & mask
            vb ^= vc
            v[a], v[b], v[c], v[d] = va, ((vb >> 7) | (vb << 25)) & mask, vc, vd
    return [v[i] ^ v[i + 8] for i in range(8)]


def _to_lanes(values: Sequence[int]) -> int:
    return int.from_bytes(struct.pack(f"<{len(values)}Q", *values), "little")


def _from_lanes(lanes: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}Q", lanes.to_bytes(8 * count, "little"))


class PureBlake3:
    """BLAKE3 as the library has it: plain, keyed, or key derivation."""

    def __init__(self, data: bytes = b"", key: bytes | None = None, flags: int = 0) -> None:
        self._key = struct.unpack("<8I", key) if key else _IV
        self._flags = flags | (_KEYED if key and not flags else 0)
        self._buffer = bytearray()
        self._batches = 0
        self._subtrees: list[list[int]] = []  # roots of whole subtrees, the largest first
        self.update(data)

    def update(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) > _BATCH:  # the last byte must stay: it decides what the root is
            values = self._chunks(bytes(self._buffer[:_BATCH]))
            del self._buffer[:_BATCH]
            while len(values[0]) > 1:
                values = self._parents(values)
            subtree = [lane[0] for lane in values]
            self._batches += 1
            finished = self._batches
            while finished % 2 == 0:
                subtree = _compress(*self._parent(self._subtrees.pop(), subtree), 1)
                finished //= 2
            self._subtrees.append(subtree)

    def digest(self) -> bytes:
        rest = bytes(self._buffer)
        whole = len(rest) // _CHUNK * _CHUNK
        if whole == len(rest) and len(rest) > _CHUNK:
            values = self._chunks(rest)
        else:
            whole = max(0, len(rest) - 1) // _CHUNK * _CHUNK
            node = self._last_chunk(rest[whole:], self._batches * (_BATCH // _CHUNK) + whole // _CHUNK)
            values = self._chunks(rest[:whole]) if whole else [()] * 8
            if whole or self._subtrees:
                values = [(*lane, word) for lane, word in zip(values, _compress(*node, 1))]
        if len(values[0]) > 1:
            while len(values[0]) > 2:
                values = self._parents(values)
            node = self._parent(*([lane[side] for lane in values] for side in (0, 1)))
        for left in reversed(self._subtrees):
            node = self._parent(left, _compress(*node, 1))
        chaining, words, _, length, flags = node
        return struct.pack("<8I", *_compress(chaining, words, (0, 0), length, flags | _ROOT, 1))

    def _chunks(self, data: bytes) -> list[tuple[int, ...]]:
        """Return the chaining values of whole chunks: eight words, each for all chunks."""
        count = len(data) // _CHUNK
        words = struct.unpack(f"<{256 * count}I", data)
        first = self._batches * (_BATCH // _CHUNK)
        counters = range(first, first + count)
        counter = _to_lanes([c & 0xFFFFFFFF for c in counters]), _to_lanes([c >> 32 for c in counters])
        ones = _to_lanes([1] * count)
        chaining = [word * ones for word in self._key]
        for block in range(16):
            flags = self._flags | _CHUNK_START * (block == 0) | _CHUNK_END * (block == 15)
            lanes = [_to_lanes(words[16 * block + word :: 256]) for word in range(16)]
            chaining = _compress(chaining, lanes, counter, 64, flags, ones)
        return [_from_lanes(lane, count) for lane in chaining]

    def _parents(self, values: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Join neighbours; an odd one at the end goes up as it is."""
        pairs = len(values[0]) // 2
        words = [_to_lanes(lane[side : 2 * pairs : 2]) for side in (0, 1) for lane in values]
        ones = _to_lanes([1] * pairs)
        joined = _compress([word * ones for word in self._key], words, (0, 0), 64, self._flags | _PARENT, ones)
        return [_from_lanes(lane, pairs) + old[2 * pairs :] for lane, old in zip(joined, values)]

    def _parent(self, left: list[int], right: list[int]) -> _Node:
        return self._key, [*left, *right], (0, 0), 64, self._flags | _PARENT

    def _last_chunk(self, data: bytes, number: int) -> _Node:
        chaining: Sequence[int] = self._key
        counter = number & 0xFFFFFFFF, number >> 32
        flags = self._flags | _CHUNK_START
        for start in range(0, max(len(data), 1), 64):
            block = data[start : start + 64]
            words = struct.unpack("<16I", block.ljust(64, b"\0"))
            if start + 64 >= len(data):
                break
            chaining = _compress(chaining, words, counter, 64, flags, 1)
            flags = self._flags
        return chaining, words, counter, len(block), flags | _CHUNK_END


def new_blake3() -> Any:
    return blake3_library.blake3() if blake3_library else PureBlake3()


def blake3(data: bytes) -> bytes:
    """The 32-byte BLAKE3 digest."""
    digest: bytes = (blake3_library.blake3(data) if blake3_library else PureBlake3(data)).digest()
    return digest


def blake3_keyed(key: bytes, data: bytes) -> bytes:
    digest: bytes = (blake3_library.blake3(data, key=key) if blake3_library else PureBlake3(data, key)).digest()
    return digest


def blake3_derived(context: str, key: bytes) -> bytes:
    """BLAKE3(context; key) of J, conventions: the key derivation mode."""
    if blake3_library:
        digest: bytes = blake3_library.blake3(key, derive_key_context=context).digest()
        return digest
    context_key = PureBlake3(context.encode(), flags=_DERIVE_CONTEXT).digest()
    return PureBlake3(key, context_key, _DERIVE_MATERIAL).digest()


# ---------------------------------------------------------------------------------------------------------------------
# AES-256-GCM (FIPS 197, NIST SP 800-38D) with 96-bit nonces and 128-bit tags. The replacement ciphers thousands of
# counter blocks at once: one byte string holds the same byte of every block, and bytes.translate is the S-box.


class NotAuthenticError(Exception):
    """Key, nonce, associated data and ciphertext do not belong together."""


def _aes_tables() -> tuple[bytes, bytes]:
    """Return the S-box, and the S-box doubled in GF(2^8) with polynomial 0x11b."""
    powers, value = [], 1
    for _ in range(255):  # of the generator 3
        powers.append(value)
        value ^= (value << 1) ^ (0x11B if value & 0x80 else 0)
    inverse = {0: 0, 1: 1}
    inverse.update({powers[i]: powers[255 - i] for i in range(1, 255)})
    sbox = bytearray(256)
    for byte in range(256):
        x = inverse[byte]
        x ^= (x << 1) ^ (x << 2) ^ (x << 3) ^ (x << 4)
        sbox[byte] = ((x ^ (x >> 8)) & 0xFF) ^ 0x63
    return bytes(sbox), bytes((s << 1) ^ (0x11B if s & 0x80 else 0) for s in sbox)


class PureAesGcm:
    """Decryption only."""

    _SBOX, _DOUBLED = _aes_tables()
    _BLOCKS_AT_ONCE = 4096

    def __init__(self, key: bytes) -> None:
        words = [key[i : i + 4] for i in range(0, 32, 4)]
        constant = 1
        for i in range(8, 60):
            word = words[-1]
            if i % 8 == 0:
                word = (word[1:] + word[:1]).translate(self._SBOX)
                word = bytes([word[0] ^ constant]) + word[1:]
                constant <<= 1
            elif i % 8 == 4:
                word = word.translate(self._SBOX)
            words.append(bytes(a ^ b for a, b in zip(words[-8], word)))
        self._round_keys = [b"".join(words[i : i + 4]) for i in range(0, 60, 4)]
        self._products = self._hash_tables(int.from_bytes(self._encrypt([bytes([0])] * 16, 1), "big"))

    def decrypt(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        if len(sealed) < 16 or len(nonce) != 12:
            raise NotAuthenticError
        ciphertext, tag = sealed[:-16], sealed[-16:]
        lengths = struct.pack(">QQ", 8 * len(associated), 8 * len(ciphertext))
        hashed = self._hash(associated, 0)
        hashed = self._hash(lengths, self._hash(ciphertext, hashed))
        mask = int.from_bytes(self._counter_stream(nonce, 1, 1), "big")
        if not hmac.compare_digest((hashed ^ mask).to_bytes(16, "big"), tag):
            raise NotAuthenticError
        plain = []
        for start in range(0, len(ciphertext), 16 * self._BLOCKS_AT_ONCE):
            piece = ciphertext[start : start + 16 * self._BLOCKS_AT_ONCE]
            stream = self._counter_stream(nonce, 2 + start // 16, -(-len(piece) // 16))[: len(piece)]
            mixed = int.from_bytes(piece, "little") ^ int.from_bytes(stream, "little")
            plain.append(mixed.to_bytes(len(piece), "little"))
        return b"".join(plain)

    def _counter_stream(self, nonce: bytes, first: int, blocks: int) -> bytes:
        counters = struct.pack(f">{blocks}I", *range(first, first + blocks))
        return self._encrypt([bytes([b]) * blocks for b in nonce] + [counters[i::4] for i in range(4)], blocks)

    def _encrypt(self, planes: list[bytes], blocks: int) -> bytes:
        """Encrypt blocks given as 16 planes: plane i holds byte i of every block."""
        ones = int.from_bytes(b"\1" * blocks, "little")

        def keyed(state: list[int], key: bytes) -> list[bytes]:
            return [(s ^ k * ones).to_bytes(blocks, "little") for s, k in zip(state, key)]

        planes = keyed([int.from_bytes(p, "little") for p in planes], self._round_keys[0])
        for turn in range(1, 15):
            # ShiftRows: byte r of column c comes from column c + r.
            planes = [planes[(i + 4 * (i % 4)) % 16] for i in range(16)]
            once = [int.from_bytes(p.translate(self._SBOX), "little") for p in planes]
            if turn < 14:
                twice = [int.from_bytes(p.translate(self._DOUBLED), "little") for p in planes]
                state = []
                for i in range(16):  # MixColumns: 2a + 3b + c + d
                    b, c, d = ((i & 12) | ((i + step) & 3) for step in (1, 2, 3))
                    state.append(twice[i] ^ twice[b] ^ once[b] ^ once[c] ^ once[d])
            else:
                state = once
            planes = keyed(state, self._round_keys[turn])
        out = bytearray(16 * blocks)
        for i, plane in enumerate(planes):
            out[i::16] = plane
        return bytes(out)

    @staticmethod
    def _hash_tables(h: int) -> list[list[int]]:
        """Return for each of the 16 byte positions the products of all bytes with the hash key."""
        tables = []
        for _ in range(16):
            table = [0] * 256
            for bit in (128, 64, 32, 16, 8, 4, 2, 1):
                table[bit] = h
                h = (h >> 1) ^ (0xE1 << 120 if h & 1 else 0)
            for value in range(1, 256):
                low = value & -value
                table[value] = table[low] ^ table[value ^ low]
            tables.append(table)
        return tables

    def _hash(self, data: bytes, value: int) -> int:
        t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf = self._products
        from_bytes = int.from_bytes
        data += bytes(-len(data) % 16)
        for start in range(0, len(data), 16):
            b = (value ^ from_bytes(data[start : start + 16], "big")).to_bytes(16, "big")
            value = (
                t0[b[0]] ^ t1[b[1]] ^ t2[b[2]] ^ t3[b[3]] ^ t4[b[4]] ^ t5[b[5]] ^ t6[b[6]] ^ t7[b[7]]
                ^ t8[b[8]] ^ t9[b[9]] ^ ta[b[10]] ^ tb[b[11]] ^ tc[b[12]] ^ td[b[13]] ^ te[b[14]] ^ tf[b[15]]
            )
        return value


class Cipher:
    """Opens what was sealed under one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = aead.AESGCM(key) if aead else PureAesGcm(key)

    def open(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        """Return the plain bytes. Raises NotAuthenticError."""
        try:
            plain: bytes = self._cipher.decrypt(nonce, sealed, associated)
        except Exception as error:  # the library has its own class for this
            raise NotAuthenticError from error
        return plain


# ---------------------------------------------------------------------------------------------------------------------
# GF(2^8) with polynomial 0x11d: guarded records (F 3.1) and the Cauchy code (F 5).


def _field_tables() -> tuple[list[int], list[int]]:
    exponents, logarithms, value = [0] * 510, [0] * 256, 1
    for power in range(255):
        exponents[power] = exponents[power + 255] = value
        logarithms[value] = power
        value = (value << 1) ^ (0x11D if value & 0x80 else 0)
    return exponents, logarithms


_EXP, _LOG = _field_tables()


def times(a: int, b: int) -> int:
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def inverse(a: int) -> int:
    return _EXP[255 - _LOG[a]]


@cache
def times_table(a: int) -> bytes:
    """For bytes.translate: every byte times `a`."""
    return bytes(times(a, b) for b in range(256))


RECORD, FIELDS, MESSAGE, PARITY = 256, 159, 191, 64


def guarded_fields(record: bytes) -> bytes | None:
    """Return the fields of a guarded record, repaired if need be; None if it is no such record (F 3.1)."""
    if len(record) != RECORD:
        return None
    message = record[:MESSAGE]
    if blake3(message[:FIELDS]) == message[FIELDS:]:
        return message[:FIELDS]
    repaired = _repair(record[:-1])
    if repaired is not None and blake3(repaired[:FIELDS]) == repaired[FIELDS:MESSAGE]:
        return repaired[:FIELDS]
    return None


def _repair(word: bytes) -> bytes | None:
    """Correct up to 32 bytes of a code word of RS(255, 191); None if there are more."""
    if reedsolo:
        try:
            return bytes(reedsolo.RSCodec(PARITY).decode(word)[0])
        except Exception:
            return None
    return pure_repair(word)


def pure_repair(word: bytes) -> bytes | None:
    # Byte i stands for x^(254-i). The syndromes are the word's values at 2^0 ... 2^63: zero if nothing is damaged.
    syndromes = []
    for power in range(PARITY):
        value = 0
        for byte in word:
            value = times(value, _EXP[power]) ^ byte
        syndromes.append(value)
    # Berlekamp-Massey: the polynomial whose roots are the inverses of the places of the errors. Lowest power first.
    locator, previous, errors, gap, last = [1], [1], 0, 1, 1
    for n in range(PARITY):
        discrepancy = 0
        for i, coefficient in enumerate(locator[: errors + 1]):
            discrepancy ^= times(coefficient, syndromes[n - i])
        if discrepancy == 0:
            gap += 1
            continue
        factor = times(discrepancy, inverse(last))
        updated = locator + [0] * (len(previous) + gap - len(locator))
        for i, coefficient in enumerate(previous):
            updated[i + gap] ^= times(factor, coefficient)
        if 2 * errors <= n:
            errors, previous, last, gap = n + 1 - errors, locator, discrepancy, 1
        else:
            gap += 1
        locator = updated
    if errors > PARITY // 2:
        return None
    # Forney: the value of each error. `evaluator` is syndromes times locator, modulo x^64.
    evaluator = [0] * PARITY
    for i, coefficient in enumerate(locator):
        for j in range(PARITY - i):
            evaluator[i + j] ^= times(coefficient, syndromes[j])
    repaired, found = bytearray(word), 0
    for power in range(255):
        at = _EXP[(255 - power) % 255]
        if _value_of(locator, at):
            continue
        slope = _value_of([c if i % 2 else 0 for i, c in enumerate(locator)][1:], at)  # the formal derivative
        if slope == 0:
            return None
        repaired[254 - power] ^= times(_EXP[power], times(_value_of(evaluator, at), inverse(slope)))
        found += 1
    return bytes(repaired) if found == errors else None


def _value_of(polynomial: Sequence[int], at: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = times(value, at) ^ coefficient
    return value


@lru_cache(maxsize=256)
def decoding_row(k: int, numbers: tuple[int, ...], wanted: int) -> tuple[int, ...]:
    """Return the factors that make data cell `wanted` of the k cells with these numbers (F 5)."""
    rows = []
    for number in numbers:
        if number < k:
            rows.append([int(number == column) for column in range(k)])
        else:
            rows.append([inverse(number ^ column) for column in range(k)])
    inverted = [[int(i == j) for j in range(k)] for i in range(k)]
    for column in range(k):  # Gauss-Jordan; every k rows are independent, so there always is a pivot
        pivot = next(row for row in range(column, k) if rows[row][column])
        for matrix in (rows, inverted):
            matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        scale = inverse(rows[column][column])
        for matrix in (rows, inverted):
            matrix[column] = [times(scale, value) for value in matrix[column]]
        for row in range(k):
            factor = rows[row][column]
            if row != column and factor:
                for matrix in (rows, inverted):
                    matrix[row] = [a ^ times(factor, b) for a, b in zip(matrix[row], matrix[column])]
    return tuple(inverted[wanted])


def decode_cell(k: int, cells: dict[int, bytes], wanted: int) -> bytes:
    """Return data cell `wanted` from k good cells of its stripe."""
    row = decoding_row(k, tuple(cells), wanted)
    length = len(next(iter(cells.values())))
    if numpy:
        total = numpy.zeros(length, numpy.uint8)
        for factor, cell in zip(row, cells.values()):
            if factor:
                total ^= numpy.frombuffer(cell.translate(times_table(factor)), numpy.uint8)
        decoded: bytes = total.tobytes()
        return decoded
    total = 0
    for factor, cell in zip(row, cells.values()):
        if factor:
            total ^= int.from_bytes(cell.translate(times_table(factor)), "little")
    return total.to_bytes(length, "little")


# ---------------------------------------------------------------------------------------------------------------------
# Packings (F 7).

PLAIN, ZSTD, PLANES16 = 0, 1, 2


def zstd_dictionary(raw: bytes) -> Any:
    if zstandard:
        return zstandard.ZstdCompressionDict(raw, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return stdlib_zstd.ZstdDict(raw, is_raw=True)


def unzstd(frame: bytes, size: int | None, dictionary: Any = None) -> bytes:
    """Return what one Zstandard frame holds: `size` bytes, or however many. Raises LostError."""
    try:
        if zstandard:
            decoder = zstandard.ZstdDecompressor(**({} if dictionary is None else {"dict_data": dictionary}))
            if size:
                plain: bytes = decoder.decompress(frame, max_output_size=size)
            else:
                plain = decoder.decompressobj().decompress(frame)
        else:
            plain = stdlib_zstd.decompress(frame, zstd_dict=dictionary)
    except Exception as error:
        raise LostError(f"a block does not decompress ({error})") from error
    return plain


def unplanes16(planes: bytes) -> bytes:
    half = len(planes) // 2
    if numpy:
        z = numpy.frombuffer(planes, numpy.uint8, half, half).astype("<u2")
        z <<= 8
        z |= numpy.frombuffer(planes, numpy.uint8, half)
        d = (z >> 1) ^ (0 - (z & 1))
        samples: bytes = numpy.cumsum(d, dtype=numpy.uint16).astype("<u2", copy=False).tobytes()
        return samples
    zigzag, joined = bytearray(2 * half), bytearray(2 * half)
    zigzag[0::2], zigzag[1::2] = planes[:half], planes[half:]
    differences = map(_unzigzag().__getitem__, struct.unpack(f"<{half}H", zigzag))
    sums = struct.pack(f"<{half}Q", *itertools.accumulate(differences))
    joined[0::2], joined[1::2] = sums[0::8], sums[1::8]  # modulo 2^16
    return bytes(joined)


@cache
def _unzigzag() -> list[int]:
    return [(z >> 1) ^ (0xFFFF if z & 1 else 0) for z in range(65536)]


# ---------------------------------------------------------------------------------------------------------------------
# The keyring (J 4), on some of the volumes, the same on each but where one is behind or damaged:
#
#   keyring/root.json               {"archive_id", "mac", "n", "recovery": {"id", "wrapped"}, "root_key_id", "v": 1}
#   keyring/institutions.keys       a line for each key of an institution; those of index and payload keys are not needed
#   keyring/packages-NNNNNN.keys    a line for each data key of a package
#
#   line:     CHECK {"id", "kind", "owner", "parent", "wrapped"}      CHECK: first 4 bytes of BLAKE3 of the JSON, in hex
#   wrapped:  Base64 of nonce (12) + AES-256-GCM of the key (32) + tag (16), under the key whose id is `parent`, with
#             the associated data  retention/key/v1|kind|id|owner|parent
#             (of an institution's key also |generation, which its line has as "generation")
#
# A data key (kind "package", id: F 3.3) has an institution's key as parent; that (kind "institution") the root key. The
# root key's id is the first 16 bytes of BLAKE3("retention v1 root key id"; key). The recovery key opens `recovery` of
# root.json, where kind is "root", id `root_key_id`, owner `archive_id`, parent `recovery.id`.
#
# Keys may have been rotated, or be just then: an institution has had several keys, and a data key may have one line under
# the old one here and another under the new one there. Whichever opens is right.
#
# A key that was destroyed on purpose has left {"forgotten", "id", "kind", "owner", "parent"}; is_forgotten checks it.

ROOT_PREFIX = "RETENTION-ROOT-KEY-1"
BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def parse_recovery_key(text: str) -> bytes:
    """Return the 32 bytes of a recovery key (J 4.5). Raises ValueError, naming the group that is wrong."""
    symbols = re.sub(r"[\s-]", "", text.upper()).replace("O", "0").replace("I", "1").replace("L", "1")
    if any(symbol not in BASE32 for symbol in symbols):
        raise ValueError("it has characters that no recovery key has")
    values = [BASE32.index(symbol) for symbol in symbols]
    if len(values) != 65:
        raise ValueError(f"it has {len(values)} characters instead of 65")
    number = 0
    for group in range(13):
        a, b, c, d, e = values[5 * group : 5 * group + 5]
        if _alpha(a, 1) ^ _alpha(b, 2) ^ _alpha(c, 3) ^ _alpha(d, 4) ^ e != group:
            raise ValueError(f"group {group + 1} of 13 is mistyped")
        for value in (a, b, c, d):
            number = (number << 5) | value
    key = (number >> 4).to_bytes(32, "big")
    if blake3(key)[0] >> 4 != number & 15:
        raise ValueError("its groups are right but do not belong together")
    return key


def _alpha(value: int, power: int) -> int:
    for _ in range(power):
        value = (value << 1) ^ (0x25 if value & 16 else 0)
    return value


def _hex(text: object, length: int = 32) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]*", text) is not None and len(text) == length


def unwrap(record: dict[str, Any], kind: str, parent_key: bytes) -> bytes | None:
    """Return the key in a record, or None if this parent key does not open it (J 4.3)."""
    bound = "|".join(("retention/key/v1", kind, record["id"], record["owner"], record["parent"], *_numbered(record)))
    try:
        wrapped = base64.b64decode(record["wrapped"], validate=True)
        key = Cipher(parent_key).open(wrapped[:12], wrapped[12:], bound.encode())
    except (NotAuthenticError, ValueError):
        return None
    return key if len(key) == 32 else None


def is_forgotten(record: dict[str, Any], parent_key: bytes) -> bool:
    """Whether the record proves that its key was destroyed by somebody who could have used it (J 4.3)."""
    if "forgotten" not in record:
        return False
    named = (record["kind"], record["id"], record["owner"], record["parent"], *_numbered(record))
    text = "|".join(("retention/forgotten/v1", *named))
    proof = blake3_keyed(blake3_derived("retention v1 forgotten", parent_key), text.encode())[:16]
    return bool(record["forgotten"] == proof.hex())


def _numbered(record: dict[str, Any]) -> list[str]:
    return [str(record["generation"])] if "generation" in record else []


class Keyring:
    """All replicas of the keyring together, opened with the root key."""

    def __init__(self, volumes: Sequence[str]) -> None:
        self._folders = [os.path.join(volume, "keyring") for volume in volumes]
        self._roots = list(self._root_documents())
        self._root_key = b""
        self._institutions: dict[str, bytes] = {}
        self._packages: dict[str, list[dict[str, Any]]] = {}
        self._destroyed: set[str] = set()
        self.archives: set[str] = set()  # ours, by what the root key vouches for
        self.is_present = any(os.path.isdir(folder) for folder in self._folders)
        self.other_keys = 0  # package keys that no shard asks for

    # -- the root key

    def unlock(self, root_key: bytes) -> None:
        """Take a root key."""
        self._root_key = root_key
        self._root_id = blake3_derived("retention v1 root key id", root_key)[:16].hex()
        self.archives.update(document["archive_id"] for document in self._signed(root_key))

    def unlock_with_recovery_key(self, recovery_key: bytes) -> None:
        """Unwrap the root key with the recovery key, and take it. Raises GivingUpError."""
        recovery_id = blake3_derived("retention v1 recovery key id", recovery_key)[:16].hex()
        if not self._roots:
            raise GivingUpError("no volume given has a whole keyring/root.json, which the recovery key needs")
        for document in self._roots:
            record = {
                "id": document["root_key_id"],
                "owner": document["archive_id"],
                "parent": recovery_id,
                "wrapped": document["recovery"]["wrapped"],
            }
            root_key = unwrap(record, "root", recovery_key)
            if root_key is not None:
                self.unlock(root_key)
                if any(other["n"] > document["n"] for other in self._signed(root_key)):
                    note("this recovery key was replaced by a newer one; an older copy of the keyring still has it")
                return
        raise GivingUpError("this recovery key is not, or no longer, the one of these volumes")

    def _root_documents(self) -> Iterator[dict[str, Any]]:
        for folder in self._folders:
            try:
                with open(os.path.join(folder, "root.json"), "rb") as stream:
                    document = json.loads(stream.read(65536))
                recovery = document["recovery"]
                ids = (document["archive_id"], document["root_key_id"], recovery["id"])
                is_whole = isinstance(document["n"], int) and isinstance(recovery["wrapped"], str)
                if document["v"] == 1 and all(map(_hex, ids)) and is_whole:
                    yield document
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue

    def _signed(self, root_key: bytes) -> Iterator[dict[str, Any]]:
        """Yield the root documents that this root key vouches for (J 4.4)."""
        mac_key = blake3_derived("retention v1 root document", root_key)
        for document in self._roots:
            signed = {name: value for name, value in document.items() if name != "mac"}
            text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            if document.get("mac") == blake3_keyed(mac_key, text.encode())[:16].hex():
                yield document

    # -- the other keys

    def load(self, wanted: set[str]) -> None:
        """Read the institutions' keys, and the package keys with these ids, from every replica.

        Raises GivingUpError if the root key opens nothing.
        """
        seen: set[str] = set()
        institutions: list[dict[str, Any]] = []
        for record in self._records(wanted, seen):
            if record["kind"] == "package":
                known = self._packages.setdefault(record["id"], [])
                if record not in known:
                    known.append(record)
            else:
                institutions.append(record)
        for record in institutions:
            if record["parent"] != self._root_id:
                continue
            if is_forgotten(record, self._root_key):
                self._destroyed.add(record["id"])
                continue
            key = unwrap(record, record["kind"], self._root_key)
            if key is not None and record["kind"] == "institution":
                self._institutions[record["id"]] = key
            elif key is not None:
                self.archives.add(record["owner"])
        for key_id in self._destroyed:  # a volume that was away may still have it
            self._institutions.pop(key_id, None)
        self.other_keys = len(seen - wanted)
        if not (self._institutions or self._destroyed or self.archives):
            raise GivingUpError("this key opens nothing in these keyrings: it belongs to another archive")

    def package_key(self, key_id: str, institution: str) -> bytes:
        """Return a data key. Raises LostError, or DestroyedError."""
        records = [record for record in self._packages.get(key_id, ()) if record["owner"] == institution]
        for record in records:
            parent_key = self._institutions.get(record["parent"])
            if parent_key is not None and is_forgotten(record, parent_key):
                raise DestroyedError
        for record in records:
            parent_key = self._institutions.get(record["parent"])
            key = None if parent_key is None or "wrapped" not in record else unwrap(record, "package", parent_key)
            if key is not None:
                return key
        if any(record["parent"] in self._destroyed for record in records):
            raise DestroyedError
        if not records:
            raise LostError(f"key {key_id} is in no keyring on the volumes given")
        raise LostError(f"key {key_id} is in the keyring, but not the key of its institution")

    def _records(self, wanted: set[str], seen: set[str]) -> Iterator[dict[str, Any]]:
        package = re.compile(rb'"id":"([0-9a-f]{32})","kind":"package"')
        for folder in self._folders:
            try:
                names = sorted(name for name in os.listdir(folder) if name.endswith(".keys"))
            except OSError:
                continue
            for name in names:
                for line in _lines(os.path.join(folder, name)):
                    found = package.search(line)
                    if found is not None:
                        if b'"forgotten"' not in line:
                            seen.add(found.group(1).decode())
                        if found.group(1).decode() not in wanted:
                            continue
                    record = _parse_record(line)
                    if record is not None and record["kind"] in ("index", "institution", "package"):
                        yield record


class DestroyedError(Exception):
    """The key was destroyed on purpose: the content is gone, as it should be."""


def _lines(path: str) -> Iterator[bytes]:
    """Yield the lines of a file, as far as it can be read; overlong ones are no records."""
    try:
        with open(path, "rb") as stream:
            while True:
                line = stream.readline(4096)
                if not line:
                    return
                yield line
    except OSError as error:
        note(f"{path}: cannot be read to its end ({error.strerror})")


def _parse_record(line: bytes) -> dict[str, Any] | None:
    """Return a key record, or None if the line is not a whole one (J 4.3)."""
    check, space, text = line.rstrip(b"\n").partition(b" ")
    if not space or blake3(text)[:4].hex().encode() != check:
        return None
    try:
        record = json.loads(text)
        texts = [record[name] for name in ("id", "kind", "owner", "parent")]
        texts.append(record["forgotten"] if "forgotten" in record else record["wrapped"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if all(isinstance(value, str) for value in texts) else None


# ---------------------------------------------------------------------------------------------------------------------
# Finding shards (F 2, F 3).

MAX_SHARDS, MAX_CELL, MAX_ENTRIES, MAX_MANIFEST = 32, 16 << 20, 4096, 1 << 30
_HEADER = struct.Struct("<8sHBBBB2xII16s16s16s")
_ENTRY = struct.Struct("<16s16sQQQQQQ32s32s")
_TRAILER = struct.Struct("<8sHH4xQQ16s")
_NAME = re.compile(r"([0-9a-f]{32})\.[0-9]{2}\.g[0-9]+\.shard")
UNKNOWN_NUMBER = -1


class ShardFile:
    """One file that holds a shard, or what is left of it."""

    __slots__ = ("_stream", "generation", "number", "path", "size")

    def __init__(self, path: str, size: int) -> None:
        self.path, self.size = path, size
        self.number, self.generation = UNKNOWN_NUMBER, 0
        self._stream: BinaryIO | None = None

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes. Zeros stand for what cannot be read: only digests decide what is good."""
        data = self._read(offset, length)
        if data is None:  # the medium is damaged: save what is around the damage
            pieces = (self._read(at, min(4096, offset + length - at)) for at in range(offset, offset + length, 4096))
            data = b"".join(
                (piece or b"").ljust(min(4096, length - 4096 * i), b"\0") for i, piece in enumerate(pieces)
            )
        return data.ljust(length, b"\0")

    def _read(self, offset: int, length: int) -> bytes | None:
        try:
            if self._stream is None:
                self._stream = open(self.path, "rb", buffering=0)
            self._stream.seek(offset)
            data = self._stream.read(length)
            while 0 < len(data) < length:
                more = self._stream.read(length - len(data))
                if not more:
                    break
                data += more
            return data
        except (OSError, OverflowError, ValueError):
            return None

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class Entry:
    """A table entry (F 3.3)."""

    __slots__ = (
        "cells_start", "index_length", "index_root", "index_start", "key", "manifest_digest", "manifest_length",
        "manifest_start", "package", "stream_length",
    )

    def __init__(self, fields: bytes) -> None:
        package, key, *numbers, self.index_root, self.manifest_digest = _ENTRY.unpack_from(fields)
        self.package, self.key = package.hex(), key.hex()
        self.cells_start, self.stream_length, self.index_start = numbers[:3]
        self.index_length, self.manifest_start, self.manifest_length = numbers[3:]


class Container:
    """All files that belong to one package, or to one bundle of packages."""

    __slots__ = ("archive", "entries", "files", "problem")

    def __init__(self) -> None:
        self.files: list[ShardFile] = []
        self.entries: dict[bytes, Entry] = {}
        self.archive: str | None = None
        self.problem = ""

    def numbers(self) -> str:
        found = sorted({file.number for file in self.files} - {UNKNOWN_NUMBER})
        return "shards found: " + (", ".join(map(str, found)) or "none with a readable header")


class Shards:
    """Everything found below packages/ on the volumes."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.foreign_files = 0
        self.files = 0

    def scan(self, volume: str) -> None:
        folder = os.path.join(volume, "packages")
        if not os.path.isdir(folder):
            note(f"{volume}: no folder packages/ (is this the top of a volume?)")
            return

        def unreadable(error: OSError) -> None:
            note(f"{error.filename}: cannot be listed ({error.strerror})")

        for parent, _, names in os.walk(folder, onerror=unreadable):
            for name in names:
                path = os.path.join(parent, name)
                with contextlib.suppress(OSError):
                    if os.path.isfile(path):
                        self._look_at(ShardFile(path, os.path.getsize(path)), name)

    def _look_at(self, file: ShardFile, name: str) -> None:
        try:
            archive = None
            fields = guarded_fields(file.read(0, RECORD))
            header = None if fields is None else _HEADER.unpack_from(fields)
            owner, entries = self._table(file)
            problem = ""
            if header is not None and header[0] == b"RETSHARD":
                _, version, _, _, _, file.number, file.generation, _, archive, _, package = header
                owner = package.hex()
                if version != 1:
                    problem = f"its format version is {version}: use a newer recover.py"
            elif owner is None and _NAME.fullmatch(name):
                # Neither end says what it is. The name is a hint; the digests of its cells will tell.
                owner = name[:32]
            if owner is None:
                self.foreign_files += 1
                return
            self.files += 1
            container = self.containers.setdefault(owner, Container())
            container.files.append(file)
            if archive is not None:
                container.archive = archive.hex()
            container.problem = container.problem or problem
            for entry in entries:
                if entry not in container.entries:
                    container.entries[entry] = Entry(entry)
        finally:
            file.close()

    def _table(self, file: ShardFile) -> tuple[str | None, list[bytes]]:
        """Return whose shard the trailer says this is, and the fields of the table's entries (F 3.4)."""
        if file.size < 3 * RECORD:
            return None, []
        for start in self._trailer_places(file):
            fields = guarded_fields(file.read(start, RECORD))
            if fields is None:
                continue
            magic, version, count, table_start, _, package = _TRAILER.unpack_from(fields)
            if magic != b"RETTRAIL" or version != 1 or not 0 < count <= MAX_ENTRIES:
                continue
            records = (guarded_fields(file.read(table_start + RECORD * i, RECORD)) for i in range(count))
            return package.hex(), [record for record in records if record is not None]
        # The trailer is beyond repair. A table of one entry, right before it, may still be whole.
        record = guarded_fields(file.read(file.size - 2 * RECORD, RECORD))
        return None, [] if record is None else [record]

    @staticmethod
    def _trailer_places(file: ShardFile) -> Iterator[int]:
        """The end of the file; then other places of its magic near the end: copying may have padded the file."""
        yield file.size - RECORD
        start = max(0, file.size - 65536)
        tail = file.read(start, file.size - start)
        found = tail.rfind(b"RETTRAIL")
        while found >= 0:
            if start + found != file.size - RECORD:
                yield start + found
            found = tail.rfind(b"RETTRAIL", 0, found)


# ---------------------------------------------------------------------------------------------------------------------
# Reading one package (F 9).


def splice(candidates: list[bytes], digest: bytes) -> bytes | None:
    """Put several damaged copies of one thing together so that the digest is right, or return None.

    Where copies differ, one of them is right. All ways to choose are tried, the majority's first, if they are few.
    """
    if not candidates:
        return None
    reference = candidates[0]
    differing = 0
    for other in candidates[1:]:
        differing |= int.from_bytes(reference, "little") ^ int.from_bytes(other, "little")
    mask = differing.to_bytes(len(reference), "little")
    runs = [found.span() for found in itertools.islice(re.finditer(rb"[^\0](?:.{0,15}?[^\0])*", mask, re.DOTALL), 17)]
    if len(runs) > 16:
        return None
    choices = []
    for start, stop in runs:
        pieces = [candidate[start:stop] for candidate in candidates]
        choices.append([piece for piece, _ in Counter(pieces).most_common()])
    for choice in itertools.islice(itertools.product(*choices), 4096):
        joined = bytearray(reference)
        for (start, stop), piece in zip(runs, choice):
            joined[start:stop] = piece
        if blake3(bytes(joined)) == digest:
            return bytes(joined)
    return None


class Package:
    """One package of a container: its manifest, opened, and its stream."""

    def __init__(self, container: Container, entry: Entry) -> None:
        self.container, self.entry = container, entry
        self.id = entry.package
        self.bad_cells = 0
        self._stripe = -1
        self._cells: dict[int, bytes | None] = {}
        self._dictionaries: OrderedDict[int, Any] = OrderedDict()

    # -- what it says of itself

    def peek(self) -> tuple[str, list[str]]:
        """Return when it was made and what it supersedes, unchecked: good enough to choose an order."""
        for file in self.container.files:
            try:
                length = min(int.from_bytes(file.read(self.entry.manifest_start, 4), "little"), 1 << 20)
                public = json.loads(file.read(self.entry.manifest_start + 4, length))
                created_at, supersedes = public["created_at"], public["supersedes"]
                if public["package"] == self.id and isinstance(created_at, str) and all(map(_hex, supersedes)):
                    return created_at, supersedes
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            finally:
                file.close()
        return "", []

    def open(self, keyring: Keyring) -> None:
        """Read manifest and index, and open the sealed part. Raises LostError, DestroyedError."""
        entry = self.entry
        manifest = self._agreed("manifest", entry.manifest_start, entry.manifest_length, entry.manifest_digest)
        if len(manifest) != 1:
            raise LostError("its manifest is damaged in every shard found")
        (text,) = manifest
        end = 4 + int.from_bytes(text[:4], "little")
        public = json.loads(text[4:end])
        if public["format"] != 1:
            raise LostError(f"its manifest is of format {public['format']}, which this program does not know")
        self._take_geometry(public)
        self._index = self._agreed("index", entry.index_start, entry.index_length, entry.index_root)
        if not self._index:
            raise LostError("no shard found reaches as far as its index")
        key = keyring.package_key(entry.key, public["institution"])
        self._cipher = Cipher(key)
        self._bound = bytes.fromhex(self.id + public["institution"])
        associated = b"retention/1/manifest" + self._bound + blake3(text[4:end])
        try:
            sealed = self._cipher.open(b"\xff" * 12, text[end:], associated)
        except NotAuthenticError:
            raise LostError("its manifest is not the one that was sealed with its key") from None
        self.contents = json.loads(unzstd(sealed, None))
        self.kind: str = public["kind"]
        self.rows: list[dict[str, Any]] = self.contents["instances"]
        self._rows_by_ordinal = {row["ordinal"]: row for row in self.rows}
        self._identify_files()

    def _agreed(self, what: str, start: int, length: int, digest: bytes) -> list[bytes]:
        """Return the one whole copy of something that all shards have; of an index, failing that, all damaged ones."""
        if length > MAX_MANIFEST:
            raise LostError(f"its {what} would have {length} bytes")
        damaged: list[bytes] = []
        for file in self.container.files:
            if start + length > file.size and not (start < file.size and length < 64 << 20):
                continue
            copy = file.read(start, length)
            if blake3(copy) == digest:
                return [copy]
            if copy not in damaged and any(copy):
                damaged.append(copy)
        whole = splice(damaged, digest)
        if whole is not None:
            return [whole]
        # A cell that matches a digest in a damaged index is still that cell: damage does not make a digest match. And
        # every block is authenticated again when it is decrypted.
        return damaged if what == "index" else []

    def _take_geometry(self, public: dict[str, Any]) -> None:
        entry = self.entry
        numbers = [int(public[name]) for name in ("scheme", "data", "parity", "cell_size")]
        scheme, self._k, parity, self._cell_size = numbers
        if scheme not in (1, 2) or (scheme == 1) != (self._k == 1):
            raise LostError(f"its scheme {scheme} with {self._k} data shards is unknown to this program")
        self._is_copies = scheme == 1
        named = (public["package"], public["key"], public["index_root"], public["stream_length"])
        if named != (entry.package, entry.key, entry.index_root.hex(), entry.stream_length):
            raise LostError("its manifest and its table disagree")
        self._shards = self._k + parity
        self._columns = 1 if self._is_copies else self._shards
        if not (0 < self._k <= self._shards <= MAX_SHARDS and 0 < self._cell_size <= MAX_CELL):
            raise LostError("its geometry is impossible")
        stripes = -(-entry.stream_length // (self._k * self._cell_size))
        if entry.index_length != 32 * self._columns * stripes:
            raise LostError("its index does not fit its stream")

    # -- stream, stripes and cells (F 5)

    def _identify_files(self) -> None:
        """Sort the files by shard number, the highest generation first; find the number where the header is lost."""
        self._files: dict[int, list[ShardFile]] = {}
        stripes = self.entry.index_length // (32 * self._columns)
        for file in sorted(self.container.files, key=lambda file: -file.generation):
            number = file.number
            if number == UNKNOWN_NUMBER:
                number = 0 if self._is_copies else self._recognise(file, min(stripes, 64))
            if 0 <= number < self._shards:
                self._files.setdefault(number, []).append(file)

    def _recognise(self, file: ShardFile, stripes: int) -> int:
        for stripe in range(stripes):
            digest = blake3(file.read(self.entry.cells_start + stripe * self._cell_size, self._cell_length(stripe)))
            for number in range(self._shards):
                if self._is_digest(stripe, number, digest):
                    return number
        return UNKNOWN_NUMBER

    def _cell_length(self, stripe: int) -> int:
        whole = self._k * self._cell_size
        return -(-min(whole, int(self.entry.stream_length) - stripe * whole) // self._k)

    def _is_digest(self, stripe: int, number: int, digest: bytes) -> bool:
        at = 32 * (stripe * self._columns + (0 if self._is_copies else number))
        return any(index[at : at + 32] == digest for index in self._index)

    def _read_cell(self, stripe: int, number: int) -> bytes | None:
        """Return a cell as stored, or None if no file has it undamaged."""
        length = self._cell_length(stripe)
        for file in self._files.get(number, ()):
            cell = file.read(self.entry.cells_start + stripe * self._cell_size, length)
            if self._is_digest(stripe, number, blake3(cell)):
                return cell
            self.bad_cells += 1
        return None

    def _cell(self, stripe: int, number: int) -> bytes | None:
        if stripe != self._stripe:
            self._stripe, self._cells = stripe, {}
        if number not in self._cells:
            self._cells[number] = self._read_cell(stripe, number)
        return self._cells[number]

    def _data_cell(self, stripe: int, number: int) -> bytes:
        """Return data cell `number`, read or decoded. Raises LostError."""
        cell = self._cell(stripe, number)
        if cell is not None:
            return cell
        good: dict[int, bytes] = {}
        for other in range(self._shards):
            found = self._cell(stripe, other)
            if found is not None:
                if self._is_copies:
                    return found
                good[other] = found
                if len(good) == self._k:
                    decoded = self._cells[number] = decode_cell(self._k, good, number)
                    return decoded
        raise LostError(
            f"stripe {stripe}: {len(good)} good cells of the {self._k} needed "
            f"(of {self._shards} shards; {self.container.numbers()})"
        )

    def read(self, start: int, length: int) -> bytes:
        """Return a range of the stream: from the cells it lies in, or from any k of a stripe. Raises LostError."""
        if start < 0 or length < 0 or start + length > self.entry.stream_length:
            raise LostError("a block would lie outside the package")
        pieces = []
        while length > 0:
            stripe, inside = divmod(start, self._k * self._cell_size)
            cell = self._cell_length(stripe)
            number, skipped = divmod(inside, cell)
            taken = min(length, cell - skipped)
            pieces.append(self._data_cell(stripe, number)[skipped : skipped + taken])
            start, length = start + taken, length - taken
        return b"".join(pieces)

    # -- blocks and instances (F 6, F 7, F 8.2)

    def pieces(self, row: dict[str, Any]) -> Iterator[bytes]:
        """Yield the bytes of an instance. Raises LostError."""
        for part, block in enumerate(row["blocks"]):
            dictionary = None if block[4] is None else self._dictionary(block[4])
            yield self._block((row["ordinal"] << 32) + part, block, dictionary)

    def _block(self, number: int, block: list[Any], dictionary: Any) -> bytes:
        start, stored, size, packing, _ = block
        if packing not in (PLAIN, ZSTD, PLANES16):
            raise LostError(f"packing {packing} is unknown to this program: use a newer recover.py")
        associated = b"retention/1/block" + self._bound + number.to_bytes(8, "big") + bytes([packing])
        try:
            packed = self._cipher.open(number.to_bytes(12, "big"), self.read(start, stored), associated)
        except NotAuthenticError:
            raise LostError("a block is not the one that was sealed") from None
        if packing == PLAIN:
            plain = packed
        else:
            plain = unzstd(packed, size, dictionary)
            if packing == PLANES16:
                plain = unplanes16(plain)
        if len(plain) != size:
            raise LostError(f"a block unpacks to {len(plain)} bytes instead of {size}")
        return plain

    def _dictionary(self, number: int) -> Any:
        if number not in self._dictionaries:
            row = self._rows_by_ordinal.get(number >> 32)
            blocks = [] if row is None else row["blocks"]
            part = number & 0xFFFFFFFF
            if part >= len(blocks) or blocks[part][3] not in (PLAIN, ZSTD) or blocks[part][4] is not None:
                raise LostError(f"block {number} cannot be a dictionary")
            self._dictionaries[number] = zstd_dictionary(self._block(number, blocks[part], None))
            if len(self._dictionaries) > 8:
                self._dictionaries.popitem(last=False)
        return self._dictionaries[number]

    def close(self) -> None:
        for file in self.container.files:
            file.close()


# ---------------------------------------------------------------------------------------------------------------------
# Writing files.

_UID = re.compile(r"[0-9.]{1,64}|[0-9a-f]{32,64}")  # digits and dots; or what anonymisers write in their place


def is_safe_name(uid: object) -> bool:
    """Whether a UID may name a file or a folder."""
    return isinstance(uid, str) and _UID.fullmatch(uid) is not None and uid.strip(".") != ""


class Target:
    """Where one instance goes: the first free of OUT/folder/stem.dcm, OUT/folder/stem.2.dcm, ..."""

    def __init__(self, package: Package, row: dict[str, Any]) -> None:
        study = (package.contents.get("study") or {}).get("study_uid")
        instance = row.get("sop_instance_uid")
        self.first = 1
        self.facts: dict[str, Any] | None = None
        self.size, self.blake3, self.sha256 = row["size"], row["blake3"], row["sha256"]
        ordinal = int(row["ordinal"])
        if package.kind == "quarantine":
            self.folder, self.stem, self.suffix = os.path.join("quarantine", package.id), str(ordinal), ".bin"
            self.facts = {name: row.get(name) for name in ("name", "reason", "detail")}
            self.label = f"quarantine item {ordinal} of package {package.id}"
            return
        self.label = f"study {study}: instance {instance}"
        if row.get("role") == "conflict":  # another file with this SOP Instance UID came first, and has the plain name
            self.first = 2
            self.label += " (one of several with this UID)"
        if is_safe_name(study) and is_safe_name(instance):
            self.folder, self.stem, self.suffix = str(study), str(instance), ".dcm"
        else:
            self.folder, self.stem, self.suffix = os.path.join("unnamed", package.id), str(ordinal), ".dcm"
            self.facts = {"study_uid": study, "sop_instance_uid": instance, "reason": "its UIDs cannot name files"}

    def paths(self, out: str) -> Iterator[str]:
        for number in itertools.count(self.first):
            infix = "" if number == 1 else f".{number}"
            yield os.path.join(out, self.folder, self.stem + infix + self.suffix)

    @staticmethod
    def facts_path(path: str) -> str:
        return os.path.splitext(path)[0] + ".reason.txt"

    def existing(self, out: str) -> str | None:
        """Return where this very content lies already, or None."""
        for path in self.paths(out):
            if not os.path.lexists(path):
                return None
            if os.path.isfile(path) and os.path.getsize(path) == self.size and _sha256_of(path) == self.sha256:
                return path
        return None


def _sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for piece in iter(lambda: stream.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


class Output:
    """The folder OUT. Content is written under temporary names, checked, made durable, and only then named.

    That is done for many files at once, because making files durable one by one would take longer than all the rest.
    """

    _FILES_AT_ONCE, _BYTES_AT_ONCE = 128, 256 << 20

    def __init__(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self._mark = os.urandom(4).hex()
        self._count = 0
        self._waiting: list[tuple[str, Target]] = []
        self._waiting_bytes = 0
        self._waiting_names: set[tuple[str, str]] = set()

    def existing(self, target: Target) -> str | None:
        """Return where this very content lies already, or None."""
        if (target.folder, target.stem) in self._waiting_names:
            self.flush()
        return target.existing(self.folder)

    def write(self, target: Target, pieces: Iterable[bytes]) -> None:
        """Write one instance. Raises LostError, and then nothing was written; OSError if OUT fails."""
        partial = self._new_partial()
        try:
            with open(partial, "xb") as stream:
                size, sha256, ours = 0, hashlib.sha256(), new_blake3()
                for piece in pieces:
                    size += len(piece)
                    sha256.update(piece)
                    ours.update(piece)
                    stream.write(piece)
            if (size, ours.digest().hex(), sha256.hexdigest()) != (target.size, target.blake3, target.sha256):
                raise LostError("what came out is not what was received (size or digest differs)")
        except BaseException:
            _remove(partial)
            raise
        self._waiting.append((partial, target))
        self._waiting_bytes += size
        self._waiting_names.add((target.folder, target.stem))
        if len(self._waiting) >= self._FILES_AT_ONCE or self._waiting_bytes >= self._BYTES_AT_ONCE:
            self.flush()

    def write_facts(self, path: str, facts: dict[str, Any]) -> None:
        """Write what is known of an item beside it, unless that was done before."""
        partial = self._new_partial()
        with open(partial, "x", encoding="ascii") as stream:
            for name, value in facts.items():
                is_plain = isinstance(value, str) and value.isascii() and value.isprintable()
                print(f"{name}: {value if is_plain else json.dumps(value)}", file=stream)
        self._name(partial, path)
        _remove(partial)

    def flush(self) -> None:
        """Make durable and name what was written."""
        if hasattr(os, "sync"):
            os.sync()  # all at once; the next loop then only asks whether it went well
        for partial, _ in self._waiting:
            with open(partial, "r+b") as stream:
                os.fsync(stream.fileno())
        for partial, target in self._waiting:
            os.makedirs(os.path.join(self.folder, target.folder), exist_ok=True)
            path = next(path for path in target.paths(self.folder) if self._name(partial, path))
            if target.facts:
                self.write_facts(target.facts_path(path), target.facts)
        self.clean()

    def clean(self) -> None:
        """Remove temporary files."""
        for partial, _ in self._waiting:
            _remove(partial)
        self._waiting, self._waiting_bytes, self._waiting_names = [], 0, set()

    def _new_partial(self) -> str:
        self._count += 1
        return os.path.join(self.folder, f"recover-{self._mark}-{self._count}.partial")

    @staticmethod
    def _name(partial: str, path: str) -> bool:
        """Give a temporary file its name, unless something has that name."""
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            if os.path.lexists(path):
                return False
            os.rename(partial, path)
        return True


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


# ---------------------------------------------------------------------------------------------------------------------
# The run.


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError, MemoryError)


class Run:
    """Goes through all packages; remembers what came back and what did not."""

    def __init__(self, shards: Shards, keyring: Keyring, output: Output) -> None:
        self._shards, self._keyring, self._output = shards, keyring, output
        self.written = self.present = self.bytes = self.bad_cells = self.destroyed = self.older = 0
        self._complete: set[str] = set()
        self._lost_packages: dict[str, str] = {}
        self._lost_instances: list[tuple[str, Target, str]] = []
        self._foreign: set[str] = set()
        self._told = time.monotonic()

    def restore_all(self) -> None:
        packages: list[tuple[str, Container, Entry]] = []
        superseded: dict[str, list[str]] = {}
        for owner, container in sorted(self._shards.containers.items()):
            if not container.entries:
                why = container.problem or f"no shard of it has a readable table or trailer ({container.numbers()})"
                self._lose_package(owner, container, why)
            for entry in container.entries.values():
                created_at, older = Package(container, entry).peek()
                packages.append((created_at, container, entry))
                for package in older:
                    superseded.setdefault(package, []).append(entry.package)
        # As they were made, so that names come out as an export would give them; older forms last, the newest of them
        # first: they are only wanted where the newer form is not whole.
        packages.sort(key=lambda found: found[0])
        current = [found for found in packages if found[2].package not in superseded]
        old = [found for found in reversed(packages) if found[2].package in superseded]
        for number, (_, container, entry) in enumerate(current + old, 1):
            if any(newer in self._complete for newer in superseded.get(entry.package, ())):
                self.older += 1
                self._complete.add(entry.package)
                continue
            self._tell(number, len(packages))
            self._restore(Package(container, entry))
        self._output.flush()

    def _restore(self, package: Package) -> None:
        try:
            package.open(self._keyring)
            lost = sum(not self._restore_instance(package, row) for row in package.rows)
            if not lost:
                self._complete.add(package.id)
        except DestroyedError:
            self.destroyed += 1
            self._complete.add(package.id)
        except LostError as error:
            self._lose_package(package.id, package.container, str(error))
        except MALFORMED as error:
            self._lose_package(package.id, package.container, f"its manifest cannot be understood ({error!r})")
        finally:
            self.bad_cells += package.bad_cells
            package.close()

    def _restore_instance(self, package: Package, row: dict[str, Any]) -> bool:
        target = Target(package, row)
        path = self._output.existing(target)
        if path is not None:
            self.present += 1
            if target.facts:
                self._output.write_facts(target.facts_path(path), target.facts)
            return True
        try:
            self._output.write(target, package.pieces(row))
        except (LostError, *MALFORMED) as error:
            why = str(error) if isinstance(error, LostError) else repr(error)
            self._lost_instances.append((package.id, target, why))
            return False
        self.written += 1
        self.bytes += target.size
        return True

    def _lose_package(self, package: str, container: Container, why: str) -> None:
        ours = self._keyring.archives
        if container.archive is not None and ours and container.archive not in ours:
            self._foreign.add(package)
        else:
            self._lost_packages.setdefault(package, why)

    def _tell(self, number: int, count: int) -> None:
        if time.monotonic() - self._told > 2:
            self._told = time.monotonic()
            note(f"package {number} of {count}, {self.written} files, {self.bytes / 1e6:.0f} MB so far")

    def report(self) -> int:
        """Say what came back and what is missing; return the exit code."""
        say(f"{self.written} files written ({self.bytes / 1e6:.1f} MB), each compared with its digests.")
        for text, count in (
            ("There already, and right", self.present),
            ("Damaged cells passed over", self.bad_cells),
            ("Packages that are older forms of others", self.older),
            ("Packages destroyed on purpose, their keys with them", self.destroyed),
            ("Packages of another archive, not read", len(self._foreign)),
            ("Files below packages/ that are no shards, or too damaged to tell", self._shards.foreign_files),
            ("Keys of packages with no shard on these volumes (others may have them)", self._keyring.other_keys),
        ):
            if count:
                say(f"{text}: {count}")
        # Another package may have brought back what one could not.
        missing = [lost for lost in self._lost_instances if lost[1].existing(self._output.folder) is None]
        unread = {package: why for package, why in self._lost_packages.items() if package not in self._complete}
        for package, why in unread.items():
            files = self._shards.containers.get(package)
            found = f" [{files.numbers()}]" if files and "shards found" not in why else ""
            note(f"MISSING package {package} (what it holds cannot be known): {why}{found}")
        for package, target, why in missing:
            note(f"MISSING {target.label}: {why} [package {package}]")
        if not missing and not unread:
            say("Everything on these volumes came back.")
            return EXIT_ALL
        by_study: dict[str, int] = {}
        for _, target, _ in missing:
            study = target.label.split(":")[0] if target.suffix == ".dcm" else "quarantine"
            by_study[study] = by_study.get(study, 0) + 1
        for study, count in by_study.items():
            note(f"{study}: {count} missing")
        note(f"{len(missing)} files and {len(unread)} packages are MISSING. Give more volumes and the same OUT.")
        return EXIT_SOME_MISSING


def say(text: str) -> None:
    print(text, flush=True)


def read_key_file(path: str) -> tuple[bytes | None, bytes | None]:
    """Return (root key, None) or (None, recovery key), whichever the file holds (J 4.4, J 4.5). Raises ValueError."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        text = stream.read(65536)
    found = re.search(ROOT_PREFIX + r"\s+([0-9a-fA-F]{64})\b", text)
    if found:
        return bytes.fromhex(found.group(1)), None
    problem = "it holds neither a root key nor a recovery key"
    for line in [*text.splitlines(), text]:
        if len(line.strip()) >= 60:
            try:
                return None, parse_recovery_key(line)
            except ValueError as error:
                problem = f"it holds no valid recovery key: {error}"
    raise ValueError(problem)


def ask_for_recovery_key() -> str:
    """Return what is typed without showing it; what comes from a pipe is read to its first line's end."""
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass.getpass("Recovery key: ")
    return sys.stdin.readline(4096) if sys.stdin is not None else ""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="recover.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Bring the DICOM files of a retention archive back from its volumes.",
        epilog="""\
Give every volume there is: each is a folder that holds packages/, and some hold keyring/, of which at least one is
needed. Run it again with more volumes into the same OUT: what is there already is kept.

OUT/<StudyInstanceUID>/<SOPInstanceUID>.dcm        a file as it was received; .2.dcm if several share the UID
OUT/quarantine/<package>/<number>.bin              what could not be identified; why: .reason.txt beside it
OUT/unnamed/<package>/<number>.dcm                 a file whose UIDs cannot be file names; which: .reason.txt

exit codes: 0 everything came back; 3 something is missing, and named; 2 usage; 1 anything else

RECOVER_WITHOUT=blake3,cryptography,reedsolo,numpy (any of them) in the environment makes it do without a library
that is installed, for instance when a later version of it has changed.""",
    )
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key", metavar="FILE", help="the root key file, or a text file that holds the recovery key")
    key.add_argument(
        "--recovery-key",
        action="store_true",
        help="ask for the recovery key (13 groups of 5 characters), or read it from stdin",
    )
    parser.add_argument("--out", metavar="OUT", required=True, help="folder for the files; made if need be")
    parser.add_argument("volumes", metavar="VOLUME", nargs="+", help="folder of a volume")
    given = parser.parse_args()
    for volume in given.volumes:
        if not os.path.isdir(volume):
            parser.error(f"{volume}: no such folder")
        if os.path.join(os.path.realpath(given.out), "").startswith(os.path.join(os.path.realpath(volume), "")):
            parser.error(f"OUT lies in the volume {volume}, and volumes are only read")
    try:
        if given.key is not None:
            given.root_key, given.recovery_key = read_key_file(given.key)
        else:
            given.root_key, given.recovery_key = None, parse_recovery_key(ask_for_recovery_key())
    except OSError as error:
        parser.error(f"{given.key}: {error.strerror}")
    except ValueError as error:
        parser.error(f"{given.key or 'the recovery key'}: {error}")
    return given


def main() -> int:
    os.umask(0o077)  # what comes back is about patients
    given = arguments()
    if not (zstandard or stdlib_zstd):
        raise GivingUpError("a Zstandard decoder is needed: install the package zstandard, or use Python 3.14 or later")
    used, replaced = describe_libraries()
    say(f"recover.py for format 1, Python {sys.version.split()[0]}. Uses {', '.join(used)}.")
    say("Replaced by slow pure Python: " + (", ".join(replaced) or "nothing") + ".")
    keyring = Keyring(given.volumes)
    if not keyring.is_present:
        raise GivingUpError("none of these volumes holds a keyring; give one that does (a folder with keyring/ in it)")
    if given.root_key is not None:
        keyring.unlock(given.root_key)
    else:
        keyring.unlock_with_recovery_key(given.recovery_key)
    shards = Shards()
    for volume in dict.fromkeys(map(os.path.realpath, given.volumes)):
        shards.scan(volume)
    say(f"{shards.files} shard files of {len(shards.containers)} packages found.")
    if not shards.containers:
        raise GivingUpError("there is no shard on these volumes")
    keyring.load({entry.key for container in shards.containers.values() for entry in container.entries.values()})
    output = Output(given.out)
    run = Run(shards, keyring, output)
    try:
        run.restore_all()
    finally:
        output.clean()
    return run.report()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GivingUpError as failure:
        note(f"recover.py: {failure}")
    except OSError as failure:
        note(f"recover.py: {failure.filename or 'reading or writing'}: {failure.strerror}")
    except KeyboardInterrupt:
        note("recover.py: stopped; run it again with the same OUT to go on")
    sys.exit(EXIT_FAILED)
