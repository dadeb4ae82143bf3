"""Zstandard frames are held to what they declare before anything is unpacked (format §7)."""

from __future__ import annotations

import re

import pytest
import zstandard

from retention.model.errors import ShardDamagedError
from retention.package.frames import require_size
from retention.package.packing import Packing, planes16, unpack

TEXT = b"retention " * 100
UNDECLARED = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)


def test_a_frame_that_declares_what_was_expected_passes() -> None:
    frame = zstandard.compress(TEXT)
    require_size(frame, "it", exactly=len(TEXT))
    require_size(frame, "it", at_most=len(TEXT))


@pytest.mark.parametrize("wrong_by", [-1, 1, 1 << 40])
def test_any_other_size_is_refused(wrong_by: int) -> None:
    with pytest.raises(ShardDamagedError, match=f"{len(TEXT)} bytes instead of {len(TEXT) + wrong_by}"):
        require_size(zstandard.compress(TEXT), "it", exactly=len(TEXT) + wrong_by)


def test_more_than_allowed_is_refused() -> None:
    with pytest.raises(ShardDamagedError, match=re.escape("instead of at most 999")):
        require_size(zstandard.compress(TEXT), "it", at_most=999)


@pytest.mark.parametrize("frame", [b"", b"garbage", UNDECLARED], ids=["nothing", "garbage", "undeclared"])
def test_what_does_not_say_how_long_it_is_is_refused(frame: bytes) -> None:
    with pytest.raises(ShardDamagedError, match="does not decompress"):
        require_size(frame, "it", at_most=1 << 20)


@pytest.mark.parametrize("packing", [Packing.ZSTD, Packing.PLANES16])
def test_a_bomb_is_never_unpacked(packing: Packing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library goes by what a frame declares, not by the limit it is given: it must not be asked."""

    class Untouched:
        def decompress(self, data: bytes, max_output_size: int) -> bytes:
            raise AssertionError("the frame was unpacked")

    monkeypatch.setattr("retention.package.packing.blocks._codecs.decompressor", Untouched())
    monkeypatch.setattr(planes16._codecs, "decompressor", Untouched())
    bomb = zstandard.compress(bytes(64 << 20))
    assert len(bomb) < 16_000
    with pytest.raises(ShardDamagedError, match="67108864 bytes instead of 1000"):
        unpack(packing, bomb, 1000)
