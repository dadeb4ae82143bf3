"""Reading an instance for its pixels, as far as they can be trusted to be what the attributes say."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

from retention.dicom.pixels.limits import FRAME_BYTES, INSTANCE_BYTES
from retention.model.errors import NotFoundError, UndecodableError

if TYPE_CHECKING:
    from pydicom import Dataset, FileDataset

AS_HELD = "ask for the instance as it is held"
"""What to do about an instance that cannot be decoded."""

_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def opened(file: bytes) -> FileDataset:
    """Return an instance's data set. Raises UndecodableError when it cannot be read."""
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if len(file) > INSTANCE_BYTES:
        raise UndecodableError("the instance is too large to be decoded", hint=AS_HELD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(BytesIO(file), force=True)
        except Exception as error:  # pydicom raises whatever a malformed value makes of it
            raise UndecodableError("the instance cannot be read", hint=AS_HELD) from error
    if "TransferSyntaxUID" not in dataset.file_meta:
        is_implicit, is_little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit
    return dataset


def syntax_of(dataset: FileDataset) -> str:
    """Return the transfer syntax that the data set is in."""
    return str(dataset.file_meta.TransferSyntaxUID)


def frame_count(dataset: Dataset) -> int:
    """Return how many frames there are. Raises NotFoundError when there are no pixel data: nothing is to be seen."""
    if not any(keyword in dataset for keyword in _PIXEL_KEYWORDS):
        raise NotFoundError("the instance has no pixel data", hint=AS_HELD)
    return int(dataset.get("NumberOfFrames") or 1)


def require_frames(dataset: Dataset, numbers: list[int]) -> None:
    """Check frame numbers, which count from 1. Raises NotFoundError for one that is not there."""
    count = frame_count(dataset)
    if not numbers or any(not 1 <= number <= count for number in numbers):
        raise NotFoundError("the instance has no such frame")
    if frame_bits(dataset) // 8 > FRAME_BYTES:
        raise UndecodableError("a frame is too large to be decoded", hint=AS_HELD)


def frame_bits(dataset: Dataset) -> int:
    """Return the size of a native frame in bits, as the attributes say (PS3.5 §8.1.1)."""
    samples = int(dataset.get("SamplesPerPixel") or 1)
    try:
        return int(dataset.Rows) * int(dataset.Columns) * samples * int(dataset.BitsAllocated)
    except (AttributeError, TypeError, ValueError) as error:
        raise UndecodableError("the instance does not say how large its frames are") from error
