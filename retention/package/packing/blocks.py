"""An instance cut into blocks, and each block packed by whatever a cheap probe says will do best."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

import zstandard

from retention.model.errors import ShardDamagedError, UnsupportedFormatError
from retention.package.frames import require_size
from retention.package.packing import planes16

BLOCK_BYTES = 1024 * 1024
_PROBE_BYTES = 8 * 1024
_ZSTD_LEVEL = 3
_DICTIONARY_MIN_BYTES = 512
_WORTH = 0.98
"""A block is kept packed only if it became at least 2% smaller: reading plain bytes costs nothing."""


class Packing(IntEnum):
    """Ids of format §7."""

    PLAIN = 0
    ZSTD = 1
    PLANES16 = 2


class Content(Enum):
    """What a run of bytes holds, as far as packing cares."""

    HEAD = auto()
    SAMPLES16 = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block to be: a run of the instance's bytes."""

    start: int
    length: int
    content: Content


class Dictionary:
    """The unpacked head of one instance, as raw-content dictionary for the heads of its series."""

    def __init__(self, block_number: int, plain: bytes) -> None:
        self.block_number = block_number
        self._data = zstandard.ZstdCompressionDict(plain, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self._data.precompute_compress(level=_ZSTD_LEVEL)

    @property
    def data(self) -> zstandard.ZstdCompressionDict:
        return self._data

    @staticmethod
    def is_worth(plain_bytes: int) -> bool:
        """Whether a head is long enough to help others."""
        return _DICTIONARY_MIN_BYTES <= plain_bytes <= BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Packed:
    packing: Packing
    data: bytes
    dictionary: int | None = None


class _Codecs(threading.local):
    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        self.probe = zstandard.ZstdCompressor(level=1)
        self.decompressor = zstandard.ZstdDecompressor()


_codecs = _Codecs()


def plan_blocks(size_bytes: int, samples_start: int | None, samples_bytes: int) -> Iterator[BlockPlan]:
    """Cut an instance: head, 16-bit samples if there are any (an even number of bytes), the rest.

    `samples_start` is where native 16-bit pixel data starts, or None.
    """
    if samples_start is None or samples_bytes < planes16.SAMPLE_BYTES:
        yield from _cut(0, size_bytes, Content.OTHER)
        return
    samples_bytes -= samples_bytes % planes16.SAMPLE_BYTES
    end = samples_start + samples_bytes
    yield from _cut(0, samples_start, Content.HEAD)
    yield from _cut(samples_start, end, Content.SAMPLES16)
    yield from _cut(end, size_bytes, Content.OTHER)


def _cut(start: int, end: int, content: Content) -> Iterator[BlockPlan]:
    for offset in range(start, end, BLOCK_BYTES):
        yield BlockPlan(offset, min(BLOCK_BYTES, end - offset), content)


def pack(plain: memoryview, content: Content, dictionary: Dictionary | None = None) -> Packed:
    """Return the block packed, decoded again and compared; plain if packing does not pay or prove itself."""
    packed = _pack_unproven(plain, content, dictionary)
    if packed.packing is Packing.PLAIN or _is_proven(packed, plain, dictionary):
        return packed
    return Packed(Packing.PLAIN, bytes(plain))


def _is_proven(packed: Packed, plain: memoryview, dictionary: Dictionary | None) -> bool:
    if packed.packing is Packing.PLANES16:
        return planes16.is_proven(packed.data, plain)
    used = dictionary.data if dictionary is not None and packed.dictionary is not None else None
    try:
        return _unpack(packed.packing, packed.data, len(plain), used) == bytes(plain)
    except ShardDamagedError:
        return False


def _pack_unproven(plain: memoryview, content: Content, dictionary: Dictionary | None) -> Packed:
    if content is Content.SAMPLES16 and _prefers_planes(plain):
        packed = Packed(Packing.PLANES16, planes16.pack(plain))
    elif content is Content.HEAD and dictionary is not None:
        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, dict_data=dictionary.data)
        packed = Packed(Packing.ZSTD, compressor.compress(plain), dictionary.block_number)
    else:
        packed = Packed(Packing.ZSTD, _codecs.compressor.compress(plain))
    return packed if len(packed.data) <= len(plain) * _WORTH else Packed(Packing.PLAIN, bytes(plain))


def _prefers_planes(plain: memoryview) -> bool:
    """Compare both packings on a piece from the middle: screens and masks do better with plain Zstandard."""
    start = max(0, (len(plain) - _PROBE_BYTES) // 2) & ~1
    piece = plain[start : start + _PROBE_BYTES]
    return len(planes16.pack(piece)) <= len(_codecs.probe.compress(piece))


def unpack(packing: int, packed: bytes, unpacked_bytes: int, dictionary: bytes | None = None) -> bytes:
    """Return the block's bytes. Raises UnsupportedFormatError for an unknown packing, ShardDamagedError otherwise."""
    try:
        known = Packing(packing)
    except ValueError:
        raise UnsupportedFormatError(
            f"unknown packing {packing}", hint="upgrade retention to read this package"
        ) from None
    raw = None
    if dictionary is not None:
        raw = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return bytes(_unpack(known, packed, unpacked_bytes, raw))


def _unpack(
    packing: Packing, packed: bytes, unpacked_bytes: int, dictionary: zstandard.ZstdCompressionDict | None
) -> bytes | memoryview:
    if packing is Packing.PLAIN:
        plain: bytes | memoryview = packed
    elif packing is Packing.PLANES16:
        plain = planes16.unpack(packed, unpacked_bytes)
    else:
        require_size(packed, "a zstd block", exactly=unpacked_bytes)
        codec = _codecs.decompressor
        if dictionary is not None:
            codec = zstandard.ZstdDecompressor(dict_data=dictionary)
        try:
            plain = codec.decompress(packed, max_output_size=unpacked_bytes)
        except zstandard.ZstdError as error:
            raise ShardDamagedError(f"a zstd block does not decompress: {error}") from error
    if len(plain) != unpacked_bytes:
        raise ShardDamagedError(f"a block unpacks to {len(plain)} bytes instead of {unpacked_bytes}")
    return plain
