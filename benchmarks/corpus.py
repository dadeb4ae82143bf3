"""Generated studies: smooth noise on shapes, 12 bits in 16, the same bytes every time.

Run: python -m benchmarks.corpus FOLDER --instances 3840 --studies 16 [--rows 512]
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_UID_ROOT = "2.25.20261124"
_FIELDS = 24
_MAX_SAMPLE = 4095
_LONG_FORM = (b"OB", b"OW")

Image = npt.NDArray[np.float32]


class Scene:
    """A body with an organ that moves from slice to slice, under noise as detectors and reconstruction make it.

    Noise is summed from two of a few fields, each shifted by its own amount: no two slices share bytes.
    """

    def __init__(self, rows: int, seed: int = 1) -> None:
        self._rows = rows
        self._random = np.random.default_rng(seed)
        self._y, self._x = np.mgrid[0:rows, 0:rows].astype(np.float32)
        self._fields = [self._smooth_field() for _ in range(_FIELDS)]

    def slice(self, number: int) -> bytes:
        scale, middle = self._rows / 512, self._rows / 2
        body = np.hypot(self._x - middle, self._y - middle) < 200 * scale
        organ = np.hypot(self._x - (200 + number % 112) * scale, self._y - middle) < 40 * scale
        image = np.where(body, np.float32(1050), np.float32(24)) + np.where(
            organ, np.float32(300), np.float32(0)
        )
        image += (self._shifted() + self._shifted()) / np.float32(np.sqrt(2))
        samples: npt.NDArray[np.uint16] = np.clip(image, 0, _MAX_SAMPLE).astype("<u2")
        return samples.tobytes()

    def _smooth_field(self) -> Image:
        field: Image = self._random.normal(0, 60, (self._rows, self._rows)).astype(np.float32)
        for _ in range(3):
            field = (
                field + sum(np.roll(field, step, axis) for step in (1, -1) for axis in (0, 1))
            ) / np.float32(5)
        return field

    def _shifted(self) -> Image:
        field = self._fields[self._random.integers(_FIELDS)]
        down, right = self._random.integers(self._rows, size=2)
        return np.roll(field, (int(down), int(right)), (0, 1))


def uid(*numbers: int) -> str:
    return ".".join([_UID_ROOT, *(str(number) for number in numbers)])


def _element(group: int, number: int, representation: bytes, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    if len(raw) % 2:
        raw += b"\0" if representation in (b"UI", *_LONG_FORM) else b" "
    start = struct.pack("<HH2s", group, number, representation)
    if representation in _LONG_FORM:
        return start + struct.pack("<HI", 0, len(raw)) + raw
    return start + struct.pack("<H", len(raw)) + raw


def head(study: int, instance: int, rows: int, frames: int) -> bytes:
    """Return everything of a CT file up to its pixel data's value (explicit VR little endian)."""
    sop_class, sop, short = "1.2.840.10008.5.1.4.1.1.2", uid(study, 1, instance), struct.Struct("<H").pack
    meta = (
        _element(2, 1, b"OB", b"\0\1")
        + _element(2, 2, b"UI", sop_class)
        + _element(2, 3, b"UI", sop)
        + _element(2, 0x10, b"UI", "1.2.840.10008.1.2.1")
    )
    data_set: list[tuple[int, int, bytes, bytes | str]] = [
        (0x0008, 0x0016, b"UI", sop_class),
        (0x0008, 0x0018, b"UI", sop),
        (0x0008, 0x0020, b"DA", "20260101"),
        (0x0008, 0x0060, b"CS", "CT"),
        (0x0008, 0x0070, b"LO", "Generated"),
        (0x0010, 0x0010, b"PN", "Test^Example"),
        (0x0010, 0x0020, b"LO", f"P{study}"),
        (0x0010, 0x0030, b"DA", "19700101"),
        (0x0020, 0x000D, b"UI", uid(study)),
        (0x0020, 0x000E, b"UI", uid(study, 1)),
        (0x0020, 0x0013, b"IS", str(instance)),
        (0x0028, 0x0002, b"US", short(1)),
        (0x0028, 0x0004, b"CS", "MONOCHROME2"),
        (0x0028, 0x0008, b"IS", str(frames)),
        (0x0028, 0x0010, b"US", short(rows)),
        (0x0028, 0x0011, b"US", short(rows)),
        (0x0028, 0x0100, b"US", short(16)),
        (0x0028, 0x0101, b"US", short(12)),
        (0x0028, 0x0102, b"US", short(11)),
        (0x0028, 0x0103, b"US", short(0)),
    ]
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 2 * rows * rows * frames)
    length = _element(2, 0, b"UL", struct.pack("<I", len(meta)))
    return b"\0" * 128 + b"DICM" + length + meta + b"".join(_element(*each) for each in data_set) + pixels


def write(
    folder: Path, *, studies: int, instances: int, rows: int, frames: int, first: int, distinct: int
) -> Iterator[Path]:
    """Write `instances` files, shared out evenly over studies numbered from `first`; yield each.

    With `distinct`, slices repeat after so many: enough where only the size counts.
    """
    scene = Scene(rows, seed=1 + first)
    slice_of = lru_cache(maxsize=distinct)(scene.slice)
    for number in range(instances):
        study, instance = divmod(number, -(-instances // studies))
        study += first
        path = folder / f"study-{study:05d}" / f"{instance:05d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(head(study, instance, rows, frames))
            for frame in range(frames):
                shown = instance + frame
                file.write(slice_of(shown % distinct) if distinct else scene.slice(shown))
        yield path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--instances", type=int, required=True)
    parser.add_argument("--studies", type=int, default=1)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--frames", type=int, default=1)
    parser.add_argument(
        "--first", type=int, default=0, help="the first study's number: others are other studies"
    )
    parser.add_argument("--distinct", type=int, default=0, help="slices that differ (0: all)")
    given = parser.parse_args()
    written = write(
        given.folder,
        studies=given.studies,
        instances=given.instances,
        rows=given.rows,
        frames=given.frames,
        first=given.first,
        distinct=given.distinct,
    )
    print(f"{sum(path.stat().st_size for path in written):,} bytes")


if __name__ == "__main__":
    main()
