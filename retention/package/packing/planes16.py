"""`planes16`: difference, zigzag, two byte planes (format §7), for native 16-bit samples.

Neighbouring samples of CT and MR differ little: the high plane becomes nearly all zeros and the low plane small
numbers, which Zstandard's entropy coder handles at memory speed. Differences run on across rows: one subtraction over
the block is three times as quick as one a row, and no worse (docs/benchmarks.md).
"""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import zstandard

from retention.model.errors import ShardDamagedError
from retention.package.frames import require_size

_U8 = npt.NDArray[np.uint8]
_U16 = npt.NDArray[np.uint16]
_U32 = npt.NDArray[np.uint32]

SAMPLE_BYTES = 2


class _Scratch(threading.local):
    """Working arrays, one set a thread: fresh memory for every block costs more in page faults than the arithmetic."""

    def __init__(self) -> None:
        self.samples = np.empty(0, np.uint16)
        self.signs = np.empty(0, np.uint16)
        self.planes = np.empty(0, np.uint8)
        self.sums = np.empty(0, np.uint32)

    def arrays(self, count: int) -> tuple[_U16, _U16, _U8]:
        if self.samples.size < count:
            self.samples = np.empty(count, np.uint16)
            self.signs = np.empty(count, np.uint16)
            self.planes = np.empty(2 * count, np.uint8)
        return self.samples[:count], self.signs[:count], self.planes[: 2 * count]

    def wide(self, count: int) -> _U32:
        if self.sums.size < count:
            self.sums = np.empty(count, np.uint32)
        return self.sums[:count]


_scratch = _Scratch()


def split(samples: memoryview) -> _U8:
    """Return the planes of little-endian 16-bit samples. The array is reused by this thread's next call."""
    given = np.frombuffer(samples, "<u2")
    zigzag, signs, planes = _scratch.arrays(given.size)
    zigzag[0] = given[0]
    np.subtract(given[1:], given[:-1], out=zigzag[1:])
    signed = zigzag.view(np.int16)
    np.right_shift(signed, 15, out=signs.view(np.int16))
    np.left_shift(signed, 1, out=signed)
    np.bitwise_xor(zigzag, signs, out=zigzag)
    np.copyto(planes[: given.size], zigzag, casting="unsafe")
    np.right_shift(zigzag, 8, out=zigzag)
    np.copyto(planes[given.size :], zigzag, casting="unsafe")
    return planes


def join(planes: bytes) -> _U16:
    """Return the samples of `low ‖ high` planes. The array is reused by this thread's next call.

    The running sum is of 32-bit numbers, whose low halves are the sums wanted: three times as quick in numpy.
    """
    samples = _differences(planes)
    sums = _scratch.wide(samples.size)
    np.cumsum(samples, dtype=np.uint32, out=sums)
    np.copyto(samples, sums, casting="unsafe")
    return samples


def holds(planes: bytes, samples: memoryview) -> bool:
    """Whether the planes decode to these samples.

    Equal to decoding and comparing, by induction over the samples: the first difference is the first sample, and each
    further one leads from a sample to the next. Unlike the running sum this has no serial chain, and is as quick as
    memory.
    """
    given = np.frombuffer(samples, "<u2")
    if len(planes) != SAMPLE_BYTES * given.size:
        return False
    differences = _differences(planes)
    np.add(differences[1:], given[:-1], out=differences[1:])
    return np.array_equal(differences, given)


def _differences(planes: bytes) -> _U16:
    given = np.frombuffer(planes, np.uint8)
    count = given.size // SAMPLE_BYTES
    samples, signs, _ = _scratch.arrays(count)
    np.copyto(samples, given[count:])
    np.left_shift(samples, 8, out=samples)
    np.bitwise_or(samples, given[:count], out=samples)
    np.bitwise_and(samples, 1, out=signs)
    np.negative(signs, out=signs)
    np.right_shift(samples, 1, out=samples)
    np.bitwise_xor(samples, signs, out=samples)
    return samples


class _Codecs(threading.local):
    """Zstandard contexts are not for sharing between threads."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(compression_params=_parameters())
        self.decompressor = zstandard.ZstdDecompressor()


@lru_cache(maxsize=1)
def _parameters() -> zstandard.ZstdCompressionParameters:
    # Planes repeat little and are quickly coded: long minimum matches in a small hash table cost the least time and,
    # measured on CT and MR, no bytes against level 1.
    return zstandard.ZstdCompressionParameters(
        window_log=17,
        chain_log=6,
        hash_log=10,
        search_log=1,
        min_match=7,
        target_length=0,
        strategy=zstandard.STRATEGY_FAST,
    )


_codecs = _Codecs()


def pack(samples: memoryview) -> bytes:
    """Return the packed form of an even number of bytes, at least two."""
    return _codecs.compressor.compress(split(samples).data)


def is_proven(packed: bytes, samples: memoryview) -> bool:
    """Whether the packed form gives these samples back."""
    try:
        return holds(_planes(packed, len(samples)), samples)
    except ShardDamagedError:
        return False


def unpack(packed: bytes, unpacked_bytes: int) -> memoryview:
    """Return the samples' bytes; valid until this thread's next call. Raises ShardDamagedError."""
    return memoryview(join(_planes(packed, unpacked_bytes)).data).cast("B")


def _planes(packed: bytes, unpacked_bytes: int) -> bytes:
    require_size(packed, "a planes16 block", exactly=unpacked_bytes)
    try:
        planes = _codecs.decompressor.decompress(packed, max_output_size=unpacked_bytes)
    except zstandard.ZstdError as error:
        raise ShardDamagedError(f"a planes16 block does not decompress: {error}") from error
    if len(planes) != unpacked_bytes or unpacked_bytes % SAMPLE_BYTES or not planes:
        raise ShardDamagedError(
            f"a planes16 block has {len(planes)} bytes where {unpacked_bytes} were packed"
        )
    return planes
