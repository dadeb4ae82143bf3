"""Pictures: the window that is asked for, the instance's own or all there is; MONOCHROME1 inverted; true colours."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, Sequence, dcmread, dcmwrite
from pydicom.pixels.utils import pixel_array

from retention.dicom.pixels.picture import JPEG, PNG, Look, Viewport, Window, picture_of
from retention.model.errors import NotFoundError, UndecodableError
from tests.dicom.real_files import FOLDER
from tests.services.instances import instance

RAMP = np.arange(256, dtype="<u2").reshape(16, 16)


def made(**attributes):
    """Return an instance of 16 by 16 samples from 0 to 255, with other attributes than it had."""
    dataset = dcmread(BytesIO(instance(1)))
    dataset.PixelData = RAMP.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
        if dataset[name].VR == "US or SS":
            dataset[name].VR = "US"
    written = BytesIO()
    dcmwrite(written, dataset, enforce_file_format=True)
    return written.getvalue()


def shown(file, number=1, **look):
    (part,) = picture_of(file, number, Look(PNG, **look))
    return np.asarray(Image.open(BytesIO(part.data)))


def test_without_a_window_all_values_are_shown():
    assert np.array_equal(shown(made()), RAMP)


def test_what_pads_the_picture_does_not_count():
    padded = made(PixelPaddingValue=255)
    assert shown(padded)[15, 14] == 255


def test_monochrome1_is_shown_the_other_way_round():
    assert np.array_equal(shown(made(PhotometricInterpretation="MONOCHROME1")), 255 - RAMP)
    assert np.array_equal(shown(made(PresentationLUTShape="INVERSE")), 255 - RAMP)


def test_the_instances_own_window_is_taken_and_the_one_that_is_asked_for_before_it():
    own = made(WindowCenter=128, WindowWidth=2)
    assert set(np.unique(shown(own))) <= {0, 128, 255}
    assert np.array_equal(shown(own, window=Window(127.5, 255, "linear-exact")), RAMP)


@pytest.mark.parametrize(
    ("window", "value", "expected"),
    [
        (Window(100, 1), 99, 0), (Window(100, 1), 100, 255),
        (Window(100, 101), 49, 0), (Window(100, 101), 150, 255), (Window(100, 101), 100, 129),
        (Window(100, 100, "linear-exact"), 100, 128), (Window(100, 100, "linear-exact"), 75, 64),
        (Window(100, 100, "sigmoid"), 100, 128), (Window(100, 100, "sigmoid"), 0, 5),
    ],
)  # fmt: skip
def test_windows_are_as_the_standard_writes_them(window, value, expected):
    """PS3.3 C.11.2.1.2.1, C.11.2.1.3.1, C.11.2.1.3.2."""
    assert shown(made(), window=window)[value // 16, value % 16] == expected


def test_rescaling_comes_before_the_window():
    scaled = made(RescaleSlope=2, RescaleIntercept=-100)
    assert np.array_equal(shown(scaled, window=Window(155, 510, "linear-exact")), RAMP)


def test_a_voi_table_is_used():
    table = Dataset()
    table.LUTDescriptor = [256, 0, 8]
    table.LUTData = np.arange(255, -1, -1, dtype="<u2").tobytes()
    assert np.array_equal(shown(made(VOILUTSequence=Sequence([table]))), 255 - RAMP)


def test_a_frames_own_functional_group_counts():
    window, group = Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = 64, 2
    group.FrameVOILUTSequence = Sequence([window])
    file = made(PerFrameFunctionalGroupsSequence=Sequence([group]), WindowCenter=128, WindowWidth=256)
    assert shown(file)[5, 0] == 255


@pytest.mark.parametrize("name", ["SC_rgb_rle.dcm", "SC_rgb_jpeg_gdcm.dcm", "examples_ybr_color.dcm"])
def test_colours_are_true(name):
    file = next(FOLDER.parent.rglob(name))
    assert np.array_equal(shown(file.read_bytes()), pixel_array(dcmread(file), index=0))


def test_a_palette_is_applied():
    (file,) = FOLDER.parent.rglob("examples_palette.dcm")
    assert shown(file.read_bytes()).shape == (350, 800, 3)


@pytest.mark.parametrize(
    ("viewport", "shape"),
    [(Viewport(8, 8), (8, 8)), (Viewport(32, 64), (32, 32)), (Viewport(8, 8, (0, 0, 4, 8)), (8, 4)),
     (Viewport(16, 16, (8, 8, 100, 100)), (16, 16))],
)  # fmt: skip
def test_a_viewport_cuts_and_scales_and_keeps_the_shape(viewport, shape):
    assert shown(made(), viewport=viewport).shape == shape


def test_a_region_of_negative_size_is_mirrored():
    assert np.array_equal(shown(made(), viewport=Viewport(16, 16, (0, 0, -16, -16))), RAMP[::-1, ::-1])


def test_quality_makes_a_jpeg_larger():
    (rough,), (fine,) = (picture_of(made(), 1, Look(JPEG, quality=quality)) for quality in (10, 95))
    assert rough.data.startswith(b"\xff\xd8")
    assert len(rough.data) < len(fine.data)


def test_what_cannot_be_shown_says_so():
    with pytest.raises(NotFoundError):
        picture_of(made(), 2, Look())
    with pytest.raises(NotFoundError):
        picture_of((FOLDER / "rtplan.dcm").read_bytes(), 1, Look())
    with pytest.raises(UndecodableError):
        picture_of(made(), 1, Look(viewport=Viewport(65_000, 65_000)))
    with pytest.raises(UndecodableError):
        picture_of(made(), 1, Look(viewport=Viewport(8, 8, (100, 100, 4, 4))))
    with pytest.raises(UndecodableError):
        picture_of((FOLDER / "MR_truncated.dcm").read_bytes(), 1, Look())


@pytest.mark.parametrize("rows", [0, 65_535])
def test_a_frame_that_says_it_is_huge_is_not_decoded(rows):
    with pytest.raises(UndecodableError):
        picture_of(made(Rows=rows, Columns=65_535), 1, Look())
