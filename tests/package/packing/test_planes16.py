"""`planes16` (format §7): exact for any 16-bit data, as the format describes it, and proven without decoding."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import ShardDamagedError
from retention.package.packing import planes16
from tests.package.conftest import examples

extremes = st.sampled_from([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
any_samples = st.lists(st.one_of(st.integers(0, 0xFFFF), extremes), min_size=1, max_size=200)


def to_bytes(samples: list[int]) -> bytes:
    return b"".join(sample.to_bytes(2, "little") for sample in samples)


def planes_by_the_format(samples: list[int]) -> bytes:
    zigzags = []
    for before, sample in zip([0, *samples], samples, strict=False):
        d = (sample - before) % 2**16
        zigzags.append(2 * d if d < 2**15 else 2 * (2**16 - d) - 1)
    return bytes(z & 0xFF for z in zigzags) + bytes(z >> 8 for z in zigzags)


def samples_by_the_format(planes: bytes) -> list[int]:
    n = len(planes) // 2
    samples, x = [], 0
    for low, high in zip(planes[:n], planes[n:], strict=True):
        z = low + 256 * high
        d = (z >> 1) ^ (-(z & 1) % 2**16)
        x = (x + d) % 2**16
        samples.append(x)
    return samples


@examples
@given(any_samples)
def test_planes_are_those_of_the_format(samples: list[int]) -> None:
    assert planes16.split(memoryview(to_bytes(samples))).tobytes() == planes_by_the_format(samples)


@examples
@given(any_samples)
def test_the_packed_form_is_one_zstandard_frame_of_the_planes(samples: list[int]) -> None:
    packed = planes16.pack(memoryview(to_bytes(samples)))
    assert zstandard.ZstdDecompressor().decompress(packed) == planes_by_the_format(samples)


@examples
@given(any_samples)
def test_any_samples_come_back(samples: list[int]) -> None:
    plain = to_bytes(samples)
    packed = planes16.pack(memoryview(plain))
    assert planes16.is_proven(packed, memoryview(plain))
    assert bytes(planes16.unpack(packed, len(plain))) == plain


@examples
@given(st.binary(min_size=2, max_size=200).map(lambda data: data[: len(data) & ~1]))
def test_any_planes_decode_as_the_format_says(planes: bytes) -> None:
    """Also those that no encoder of ours would write."""
    assert planes16.join(planes).tolist() == samples_by_the_format(planes)


@examples
@given(any_samples, st.data())
def test_the_proof_is_worth_as_much_as_decoding(samples: list[int], data: st.DataObject) -> None:
    """`holds` says yes exactly when decoding gives the samples: checked on planes with a few wrong bytes, or none."""
    planes = bytearray(planes_by_the_format(samples))
    for _ in range(data.draw(st.integers(0, 3))):
        planes[data.draw(st.integers(0, len(planes) - 1))] = data.draw(st.integers(0, 255))
    decoded = planes16.join(bytes(planes)).tolist()
    assert planes16.holds(bytes(planes), memoryview(to_bytes(samples))) is (decoded == samples)


def test_planes_of_another_length_prove_nothing() -> None:
    samples = memoryview(to_bytes([1, 2, 3]))
    for planes in (b"", planes_by_the_format([1, 2]), planes_by_the_format([1, 2, 3, 3])):
        assert not planes16.holds(planes, samples)


def test_samples_may_start_at_an_odd_address() -> None:
    plain = random.Random(1).randbytes(2001)
    assert bytes(planes16.unpack(planes16.pack(memoryview(plain)[1:]), 2000)) == plain[1:]


def test_smooth_images_shrink_more_than_by_zstandard_alone() -> None:
    rng = np.random.default_rng(1)
    image = (1000 + np.cumsum(rng.integers(-9, 10, 65536))).astype("<u2").tobytes()
    assert len(planes16.pack(memoryview(image))) < 0.75 * len(zstandard.compress(image, 3))


@pytest.mark.parametrize(
    ("packed", "unpacked_bytes"),
    [
        (b"no frame", 8),
        (b"", 8),
        (planes16.pack(memoryview(bytes(8))), 6),
        (planes16.pack(memoryview(bytes(8))), 10),
        (planes16.pack(memoryview(bytes(8)))[:-1], 8),
        (zstandard.compress(bytes(7)), 7),
        (zstandard.compress(b""), 0),
    ],
    ids=["no frame", "nothing", "too long", "too short", "torn", "odd", "no samples"],
)
def test_what_is_no_packed_form_is_refused(packed: bytes, unpacked_bytes: int) -> None:
    with pytest.raises(ShardDamagedError, match="planes16"):
        planes16.unpack(packed, unpacked_bytes)
    assert not planes16.is_proven(packed, memoryview(bytes(unpacked_bytes & ~1) or b"\0\0"))


def test_threads_do_not_share_their_scratch() -> None:
    plains = [random.Random(seed).randbytes(2 * 30_000) for seed in range(4)]
    came_back: dict[int, bool] = {}

    def run(number: int) -> None:
        plain = plains[number]
        packs = (planes16.pack(memoryview(plain)) for _ in range(20))
        came_back[number] = all(bytes(planes16.unpack(packed, len(plain))) == plain for packed in packs)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert came_back == dict.fromkeys(range(4), True)
