"""Instances cut into blocks, blocks packed and proven (format §7): what goes in comes out, whatever the codec does."""

from __future__ import annotations

import random

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from retention.model.errors import ShardDamagedError, UnsupportedFormatError
from retention.package.packing import (
    BLOCK_BYTES,
    Content,
    Dictionary,
    Packed,
    Packing,
    blocks,
    pack,
    plan_blocks,
    planes16,
    unpack,
)
from tests.package.conftest import examples

TEXT = b"(0008,0060) Modality: CT  (0010,0010) PatientName " * 40
SMOOTH = np.arange(0, 12_000, 3).astype("<u2").tobytes()
NOISE = random.Random(1).randbytes(4000)

any_bytes = st.one_of(
    st.binary(min_size=1, max_size=300),
    st.builds(lambda piece, times: piece * times, st.binary(min_size=1, max_size=20), st.integers(1, 100)),
)


def unpacked(packed: Packed, unpacked_bytes: int, dictionary: bytes | None = None) -> bytes:
    used = dictionary if packed.dictionary is not None else None
    return unpack(packed.packing, packed.data, unpacked_bytes, used)


@examples
@given(st.integers(0, 5 * BLOCK_BYTES), st.data())
def test_blocks_cover_an_instance_exactly_and_in_order(size: int, data: st.DataObject) -> None:
    start = data.draw(st.none() | st.integers(0, size))
    samples = data.draw(st.integers(0, size - (start or 0)))
    at = 0
    for plan in plan_blocks(size, start, samples):
        assert plan.start == at
        assert 0 < plan.length <= BLOCK_BYTES
        if plan.content is Content.SAMPLES16:
            assert plan.length % 2 == 0
            assert start is not None
            assert start <= plan.start
            assert plan.start + plan.length <= start + samples
        at += plan.length
    assert at == size


def test_head_samples_and_rest_are_blocks_of_their_own() -> None:
    plans = [(plan.start, plan.length, plan.content) for plan in plan_blocks(1000, 300, 501)]
    assert plans == [(0, 300, Content.HEAD), (300, 500, Content.SAMPLES16), (800, 200, Content.OTHER)]


@examples
@given(
    any_bytes,
    st.sampled_from([Content.HEAD, Content.OTHER]),
    st.none() | st.binary(min_size=8, max_size=2000),
)
def test_any_bytes_come_back(plain: bytes, content: Content, head: bytes | None) -> None:
    packed = pack(memoryview(plain), content, None if head is None else Dictionary(7, head))
    assert len(packed.data) <= len(plain)
    assert unpacked(packed, len(plain), head) == plain


@examples
@given(any_bytes.map(lambda data: data + data[: len(data) % 2]))
def test_any_samples_come_back(plain: bytes) -> None:
    packed = pack(memoryview(plain), Content.SAMPLES16)
    assert len(packed.data) <= len(plain)
    assert unpacked(packed, len(plain)) == plain


@pytest.mark.parametrize(
    ("plain", "content", "packing"),
    [
        (TEXT, Content.OTHER, Packing.ZSTD),
        (TEXT, Content.HEAD, Packing.ZSTD),
        (SMOOTH, Content.SAMPLES16, Packing.PLANES16),
        (TEXT, Content.SAMPLES16, Packing.ZSTD),
        (NOISE, Content.SAMPLES16, Packing.PLAIN),
        (NOISE, Content.OTHER, Packing.PLAIN),
        (b"x", Content.OTHER, Packing.PLAIN),
    ],
    ids=["text", "head", "image", "screen", "noisy image", "noise", "one byte"],
)
def test_the_probe_chooses_what_does_best(plain: bytes, content: Content, packing: Packing) -> None:
    assert pack(memoryview(plain), content).packing is packing


def test_packings_have_the_ids_of_the_format() -> None:
    assert {packing.name: packing.value for packing in Packing} == {"PLAIN": 0, "ZSTD": 1, "PLANES16": 2}
    assert pack(memoryview(NOISE), Content.OTHER).data == NOISE
    assert zstandard.ZstdDecompressor().decompress(pack(memoryview(TEXT), Content.OTHER).data) == TEXT


def test_a_dictionary_is_the_raw_content_of_another_head() -> None:
    head = random.Random(2).randbytes(2000)
    similar = head[:900] + b"1.2.840.5" + head[909:]
    packed = pack(memoryview(similar), Content.HEAD, Dictionary(7, head))
    assert (packed.packing, packed.dictionary) == (Packing.ZSTD, 7)
    assert len(packed.data) < 100
    raw = zstandard.ZstdCompressionDict(head, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    assert zstandard.ZstdDecompressor(dict_data=raw).decompress(packed.data) == similar


def test_a_block_that_is_stored_plainly_names_no_dictionary() -> None:
    assert pack(memoryview(NOISE), Content.HEAD, Dictionary(7, TEXT)) == Packed(Packing.PLAIN, NOISE, None)


def test_another_dictionary_is_noticed_or_at_least_does_not_give_the_bytes() -> None:
    packed = pack(memoryview(TEXT), Content.HEAD, Dictionary(7, TEXT))
    try:
        other = unpack(packed.packing, packed.data, len(TEXT), NOISE)
    except ShardDamagedError:
        return
    assert other != TEXT  # then the instance's digests refuse it


class Liar:
    """A codec that returns something else than it was asked for."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def compress(self, data: object) -> bytes:
        return self.answer


lies = pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        zstandard.compress(b""),
        zstandard.compress(TEXT[:-1]),
        zstandard.compress(TEXT + b"!"),
        zstandard.compress(TEXT[:100] + b"?" + TEXT[101:]),
        zstandard.compress(TEXT)[:-3],
    ],
    ids=[
        "nothing",
        "garbage",
        "empty frame",
        "one byte less",
        "one byte more",
        "one byte other",
        "torn frame",
    ],
)


@lies
def test_a_compressor_that_lies_is_caught_and_the_block_stored_plainly(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks._codecs, "compressor", Liar(answer))
    assert pack(memoryview(TEXT), Content.OTHER) == Packed(Packing.PLAIN, TEXT)


@lies
def test_a_compressor_that_lies_with_a_dictionary_is_caught(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictionary = Dictionary(7, TEXT)
    monkeypatch.setattr(zstandard, "ZstdCompressor", lambda **_: Liar(answer))
    assert pack(memoryview(TEXT), Content.HEAD, dictionary) == Packed(Packing.PLAIN, TEXT)


@lies
def test_a_planes_compressor_that_lies_is_caught(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes16._codecs, "compressor", Liar(answer))
    assert pack(memoryview(SMOOTH), Content.SAMPLES16) == Packed(Packing.PLAIN, SMOOTH)


@pytest.mark.parametrize("sample", [0, 1, 1999, len(SMOOTH) // 2 - 1])
def test_planes_with_one_wrong_sample_are_caught(sample: int, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = planes16.split

    def lying(samples: memoryview) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        planes = honest(samples)
        planes[sample % planes.size] ^= 1
        return planes

    monkeypatch.setattr(planes16, "split", lying)
    assert pack(memoryview(SMOOTH), Content.SAMPLES16) == Packed(Packing.PLAIN, SMOOTH)


def test_a_decompressor_that_lies_leaves_the_block_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    class LyingDecompressor:
        def decompress(self, data: bytes, max_output_size: int) -> bytes:
            return bytes(max_output_size)

    monkeypatch.setattr(blocks._codecs, "decompressor", LyingDecompressor())
    assert pack(memoryview(TEXT), Content.OTHER).packing is Packing.PLAIN


@pytest.mark.parametrize("packing", [3, 4, 255])
def test_an_unknown_packing_is_refused(packing: int) -> None:
    with pytest.raises(UnsupportedFormatError, match=f"unknown packing {packing}"):
        unpack(packing, TEXT, len(TEXT))


@pytest.mark.parametrize("wrong_by", [-1, 1])
@pytest.mark.parametrize("packing", [Packing.PLAIN, Packing.ZSTD])
def test_a_block_that_unpacks_to_another_length_is_refused(packing: Packing, wrong_by: int) -> None:
    data = TEXT if packing is Packing.PLAIN else zstandard.compress(TEXT)
    with pytest.raises(ShardDamagedError, match="instead of"):
        unpack(packing, data, len(TEXT) + wrong_by)


@pytest.mark.parametrize("data", [b"", b"garbage", zstandard.compress(TEXT)[:-3]])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ShardDamagedError, match="does not decompress"):
        unpack(Packing.ZSTD, data, len(TEXT))


def test_unpacked_blocks_stay_as_they_are_when_the_next_is_unpacked() -> None:
    """planes16 reuses its arrays; what `unpack` returned must not change under the caller."""
    packed = pack(memoryview(SMOOTH), Content.SAMPLES16)
    first = unpack(packed.packing, packed.data, len(SMOOTH))
    unpack(Packing.PLANES16, planes16.pack(memoryview(NOISE)), len(NOISE))
    assert first == SMOOTH


@pytest.mark.parametrize(
    ("plain_bytes", "is_worth"), [(511, False), (512, True), (BLOCK_BYTES, True), (BLOCK_BYTES + 1, False)]
)
def test_only_heads_of_one_block_and_some_length_become_dictionaries(
    plain_bytes: int, is_worth: bool
) -> None:
    assert Dictionary.is_worth(plain_bytes) is is_worth
