"""Frames and bulk data: as held they are the very bytes of the instance, native they are its samples, little endian."""

from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels.utils import pixel_array

from retention.dicom.pixels import frames
from retention.dicom.pixels.frames import EXPLICIT_LITTLE, bulk_of, frames_of, native_of
from retention.model.errors import NotFoundError, UndecodableError
from tests.dicom.real_files import FOLDER

NATIVE = [
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "rtdose.dcm",
    "image_dfl.dcm",
]
COMPRESSED = {
    "MR_small_RLE.dcm": "1.2.840.10008.1.2.5",
    "MR_small_jp2klossless.dcm": "1.2.840.10008.1.2.4.90",
    "MR_small_jpeg_ls_lossless.dcm": "1.2.840.10008.1.2.4.80",
    "SC_rgb_jpeg_gdcm.dcm": "1.2.840.10008.1.2.4.70",
    "SC_rgb_rle_2frame.dcm": "1.2.840.10008.1.2.5",
}


def file(name):
    return (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", NATIVE)
def test_native_frames_are_the_samples_little_endian(name):
    expected = pixel_array(dcmread(FOLDER / name), raw=True)
    expected = expected if expected.ndim > 2 else expected[None]
    parts = frames_of(file(name), [], as_held=False)
    assert {part.transfer_syntax_uid for part in parts} == {EXPLICIT_LITTLE}
    little = expected.dtype.newbyteorder("<")
    assert [part.data for part in parts] == [frame.astype(little).tobytes() for frame in expected]


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_frame_is_given_as_held_or_decoded(name):
    (held, *_) = frames_of(file(name), [], as_held=True)
    assert held.transfer_syntax_uid == COMPRESSED[name]
    assert held.data in file(name)
    (decoded,) = frames_of(file(name), [1], as_held=False)
    assert decoded.data == pixel_array(dcmread(FOLDER / name), index=0, raw=True).tobytes()


def test_frames_come_in_the_order_they_are_asked_for_and_counted_from_one():
    all_of_them = frames_of(file("rtdose.dcm"), [], as_held=False)
    assert frames_of(file("rtdose.dcm"), [3, 1], as_held=False) == [all_of_them[2], all_of_them[0]]


@pytest.mark.parametrize("number", [0, 2, 10_000])
def test_a_frame_that_is_not_there_is_absent(number):
    with pytest.raises(NotFoundError):
        frames_of(file("CT_small.dcm"), [number], as_held=False)


def test_no_more_frames_are_cut_out_at_once_than_the_limit(monkeypatch):
    monkeypatch.setattr(frames, "FRAMES", 2)
    with pytest.raises(UndecodableError, match="more than 2"):
        frames_of(file("rtdose.dcm"), [], as_held=False)


@pytest.mark.parametrize(
    ("name", "error"), [("MR_truncated.dcm", UndecodableError), ("rtplan.dcm", NotFoundError)]
)
def test_what_is_cut_short_or_has_no_pixels_says_so(name, error):
    with pytest.raises(error):
        frames_of(file(name), [1], as_held=True)


def test_bits_of_a_segmentation_stay_packed():
    decoded = frames_of(file("liver_1frame.dcm"), [1], as_held=False)[0].data
    assert decoded == dcmread(FOLDER / "liver_1frame.dcm").PixelData[: len(decoded)]


def test_bulk_data_are_an_elements_own_bytes():
    (pixels,) = bulk_of(file("CT_small.dcm"), ["7FE00010"])
    assert pixels.data == dcmread(FOLDER / "CT_small.dcm").PixelData
    assert len(bulk_of(file("SC_rgb_rle_2frame.dcm"), ["7FE00010"])) == 2


@pytest.mark.parametrize(
    "path", [["00100010"], ["7FE00011"], ["00100010", "0", "7FE00010"], ["nonsense"], [""]]
)
def test_what_has_no_bulk_data_is_absent(path):
    with pytest.raises(NotFoundError):
        bulk_of(file("CT_small.dcm"), path)


@pytest.mark.parametrize(
    "name", ["MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", *COMPRESSED]
)
def test_a_transcoded_instance_has_the_same_pixels_and_identity(name):
    (part,) = native_of(file(name))
    read, before = dcmread(BytesIO(part.data)), dcmread(FOLDER / name)
    assert read.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert read.SOPInstanceUID == before.SOPInstanceUID
    assert np.array_equal(pixel_array(read), pixel_array(before))
