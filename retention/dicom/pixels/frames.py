"""Frames (PS3.18 §10.4.1.1.6) and bulk data, as they are held or native; and a whole instance made native."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

from retention.dicom.pixels.limits import FRAMES
from retention.dicom.pixels.reading import AS_HELD, frame_bits, frame_count, opened, require_frames, syntax_of
from retention.dicom.pixels.wire import Part
from retention.model.errors import NotFoundError, UndecodableError

if TYPE_CHECKING:
    from pydicom import Dataset, FileDataset

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_BIG = "1.2.840.10008.1.2.2"
_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def frames_of(file: bytes, numbers: list[int], *, as_held: bool) -> list[Part]:
    """Return frames, numbered from 1: as they are held, or native and little endian.

    Raises NotFoundError for a frame that is not there, UndecodableError when it cannot be cut out or decoded.
    """
    dataset = opened(file)
    numbers = numbers or list(range(1, frame_count(dataset) + 1))
    if len(numbers) > FRAMES:
        raise UndecodableError(f"more than {FRAMES} frames", hint="ask for them in several requests")
    require_frames(dataset, numbers)
    if _is_compressed(dataset):
        if as_held:
            return [Part(_cut(dataset, number), syntax_of(dataset)) for number in numbers]
        return [Part(_decoded(dataset, number), EXPLICIT_LITTLE) for number in numbers]
    return [Part(_native(dataset, number), EXPLICIT_LITTLE) for number in numbers]


def bulk_of(file: bytes, path: list[str]) -> list[Part]:
    """Return one element's value: tags of eight hexadecimal digits, between them the number of an item, from 0.

    Raises NotFoundError when there is no such element, or it has no bytes of its own.
    """
    dataset = opened(file)
    element = _element(dataset, path)
    if element.tag == 0x7FE00010 and _is_compressed(dataset):
        return frames_of(file, [], as_held=True)
    if not isinstance(element.value, bytes):
        raise NotFoundError("the element has no bulk data")
    if syntax_of(dataset) == _BIG:
        return [Part(_swapped(element.value, _WORD_BYTES.get(element.VR, 1)))]
    return [Part(element.value)]


def native_of(file: bytes) -> list[Part]:
    """Return a whole instance in Explicit VR Little Endian. Raises UndecodableError when it cannot be made so."""
    from pydicom import dcmwrite

    dataset = opened(file)
    try:
        if _is_compressed(dataset):
            dataset.decompress(generate_instance_uid=False)
        if syntax_of(dataset) == _BIG:
            _swap_words(dataset)
        written = BytesIO()
        _with_meta(dataset)
        dcmwrite(written, dataset, implicit_vr=False, little_endian=True, force_encoding=True)
    except Exception as error:  # decoders and pydicom raise whatever a malformed value makes of it
        raise UndecodableError("the instance cannot be transcoded", hint=AS_HELD) from error
    return [Part(written.getvalue(), EXPLICIT_LITTLE)]


def _with_meta(dataset: FileDataset) -> None:
    """Give a data set the file meta that its new encoding needs (PS3.10 §7.1)."""
    from pydicom.uid import UID

    dataset.preamble = dataset.preamble or bytes(128)
    meta = dataset.file_meta
    meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    meta.FileMetaInformationGroupLength = 0  # counted anew
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _is_compressed(dataset: FileDataset) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID.is_encapsulated)


def _cut(dataset: Dataset, number: int) -> bytes:
    from pydicom.encaps import get_frame

    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    try:
        return get_frame(
            dataset.PixelData, number - 1, extended_offsets=offsets, number_of_frames=frame_count(dataset)
        )
    except Exception as error:  # what is encapsulated wrongly fails in many ways
        raise UndecodableError("the frame cannot be cut out", hint=AS_HELD) from error


def _native(dataset: FileDataset, number: int) -> bytes:
    """Cut a native frame out; one that does not begin at a byte, or is big endian, is decoded."""
    bits = frame_bits(dataset)
    if bits % 8 or syntax_of(dataset) == _BIG or "PixelData" not in dataset:
        return _decoded(dataset, number)
    size = bits // 8
    data: bytes = dataset.PixelData
    if len(data) < number * size:
        raise UndecodableError("the pixel data are cut short", hint=AS_HELD)
    return data[(number - 1) * size : number * size]


def _decoded(dataset: Dataset, number: int) -> bytes:
    from pydicom.pixels.utils import pack_bits, pixel_array

    try:
        array = pixel_array(dataset, index=number - 1, raw=True)
        if int(dataset.get("BitsAllocated", 8)) == 1:
            return pack_bits(array, pad=False)
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    except Exception as error:  # decoders raise whatever they like
        raise UndecodableError("the frame cannot be decoded", hint=AS_HELD) from error


def _element(dataset: Dataset, path: list[str]) -> Any:  # noqa: ANN401  # pydicom's elements are of any type
    try:
        level: Any = dataset
        for tag, item in zip(path[0:-1:2], path[1::2], strict=True):
            level = level[int(tag, 16)].value[int(item)]
        return level[int(path[-1], 16)]
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise NotFoundError("the instance has no such element") from error


def _swap_words(dataset: Dataset) -> None:
    """Turn the words of binary values round, at every depth: pydicom keeps them as they were read."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _swap_words(item)
        elif isinstance(element.value, bytes) and element.VR in _WORD_BYTES:
            width = _WORD_BYTES[element.VR]
            if element.tag == 0x7FE00010 and int(dataset.get("BitsAllocated", 16)) == 32:
                width = 4  # PS3.5 §8.1.1 with 7.3: longer samples are turned round as a whole
            element.value = _swapped(element.value, width)


def _swapped(data: bytes, width: int) -> bytes:
    import numpy as np

    whole = len(data) - len(data) % width
    turned = np.frombuffer(data[:whole], f"{'<' if sys.byteorder == 'little' else '>'}u{width}").byteswap()
    return turned.tobytes() + data[whole:]
