"""A frame as a picture (PS3.18 §10.4.1.1.3, §8.3.5.1): modality, VOI and presentation transformations, JPEG or PNG.

The transformations are those of PS3.3 C.11.1 and C.11.2 and, in multi-frame instances, of their functional groups
(C.7.6.16.2.9, C.7.6.16.2.10).
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from retention.dicom.pixels.limits import SIDE_PIXELS
from retention.dicom.pixels.reading import AS_HELD, opened, require_frames
from retention.dicom.pixels.wire import Part
from retention.model.errors import RetentionError, UndecodableError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from pydicom import Dataset

    Array = np.ndarray[Any, np.dtype[Any]]

JPEG, PNG = "image/jpeg", "image/png"
_GRAY = 255.0


@dataclass(frozen=True, slots=True)
class Window:
    """Center and width of a VOI window, and its function (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

    center: float
    width: float
    function: Literal["linear", "linear-exact", "sigmoid"] = "linear"


@dataclass(frozen=True, slots=True)
class Viewport:
    """The picture's largest width and height, and the region of the frame that is shown: pixels of the frame.

    A region of negative width or height is shown mirrored. None: all of it.
    """

    width: int
    height: int
    region: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """How a frame is to be shown. `quality` counts for JPEG: 1 to 100."""

    media_type: str = JPEG
    quality: int = 90
    window: Window | None = None
    viewport: Viewport | None = None


def picture_of(file: bytes, number: int, look: Look) -> list[Part]:
    """Return a frame, numbered from 1, as a picture.

    Raises NotFoundError for a frame that is not there, UndecodableError when it cannot be shown.
    """
    dataset = opened(file)
    require_frames(dataset, [number])
    try:
        image = _fitted(_image(dataset, number, look), look.viewport)
        written = BytesIO()
        if look.media_type == PNG:
            image.save(written, "PNG", compress_level=3)
        else:
            image.save(written, "JPEG", quality=look.quality)
    except RetentionError:
        raise
    except Exception as error:  # decoders raise whatever they like
        raise UndecodableError("the frame cannot be shown", hint=AS_HELD) from error
    return [Part(written.getvalue())]


def _image(dataset: Dataset, number: int, look: Look) -> Image.Image:
    import numpy as np
    from PIL import Image
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    array: Array = pixel_array(dataset, index=number - 1)  # YBR has become RGB
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR":
        array = apply_color_lut(array, dataset)
    if array.ndim == 3:
        bits = (
            int(dataset.get("BitsStored", 8)) if photometric != "PALETTE COLOR" else array.dtype.itemsize * 8
        )
        return Image.fromarray(_eight_bits(array, bits), "RGB")
    values = _through_modality(array, dataset, number)
    gray = _through_voi(values, array, dataset, number, look.window)
    if _is_inverse(dataset, photometric):
        gray = _GRAY - gray
    return Image.fromarray(np.clip(gray + 0.5, 0, _GRAY).astype(np.uint8), "L")


def _eight_bits(array: Array, bits: int) -> Array:
    import numpy as np

    return (array >> max(bits - 8, 0)).astype(np.uint8) if array.dtype != np.uint8 else array


def _through_modality(array: Array, dataset: Dataset, number: int) -> Array:
    from pydicom.pixels.processing import apply_modality_lut

    macro = _of_frame(dataset, number, "PixelValueTransformationSequence")
    return apply_modality_lut(array, dataset if macro is None else macro)


def _through_voi(values: Array, stored: Array, dataset: Dataset, number: int, window: Window | None) -> Array:
    """Return values from 0 to 255, as the window that is asked for, the instance's own, or else all there are."""
    import numpy as np
    from pydicom.pixels.processing import apply_voi

    if window is None:
        source = _of_frame(dataset, number, "FrameVOILUTSequence") or dataset
        window = _own_window(source)
        tables = source.get("VOILUTSequence")
        if window is None and tables:
            shown = np.asarray(apply_voi(values.astype(stored.dtype), source), dtype=np.float64)
            depth = int(tables[0].LUTDescriptor[2])
            return shown * (_GRAY / ((1 << depth) - 1))
    if window is None:
        window = _all_of(values, stored, dataset)
    return _windowed(values.astype(np.float64), window)


def _own_window(source: Dataset) -> Window | None:
    centers, widths = source.get("WindowCenter"), source.get("WindowWidth")
    if centers is None or widths is None:
        return None
    try:
        center, width = float(_first(centers)), float(_first(widths))
    except (TypeError, ValueError, IndexError):
        return None
    name = str(source.get("VOILUTFunction") or "LINEAR")
    function: Literal["linear", "linear-exact", "sigmoid"] = (
        "sigmoid" if name == "SIGMOID" else "linear-exact" if name == "LINEAR_EXACT" else "linear"
    )
    return Window(center, width, function) if width >= 1 or (width > 0 and function != "linear") else None


def _first(value: Any) -> Any:  # noqa: ANN401  # of one value or several, as pydicom read them
    return value if isinstance(value, str | int | float) else value[0]


def _all_of(values: Array, stored: Array, dataset: Dataset) -> Window:
    """Return the window from the least to the greatest value, what pads the picture left out (PS3.3 C.7.5.1.1.2)."""
    padding = dataset.get("PixelPaddingValue")
    seen = values[stored != padding] if isinstance(padding, int) else values
    if seen.size == 0:
        seen = values
    low, high = float(seen.min()), float(seen.max())
    return Window((low + high) / 2, max(high - low, 1.0), "linear-exact")


def _windowed(values: Array, window: Window) -> Array:
    import numpy as np

    center, width = window.center, window.width
    if window.function == "sigmoid":
        with np.errstate(over="ignore"):
            sigmoid: Array = _GRAY / (1 + np.exp(-4 * (values - center) / width))
        return sigmoid
    if window.function == "linear":
        if width <= 1:
            return np.where(values <= center - 0.5, 0.0, _GRAY)
        center, width = center - 0.5, width - 1
    return np.clip(((values - center) / width + 0.5) * _GRAY, 0.0, _GRAY)


def _is_inverse(dataset: Dataset, photometric: str) -> bool:
    shape = dataset.get("PresentationLUTShape")
    return shape == "INVERSE" if shape else photometric == "MONOCHROME1"


def _of_frame(dataset: Dataset, number: int, name: str) -> Dataset | None:
    """Return a functional group's macro of a frame: its own, else the shared one."""
    groups = [*dataset.get("PerFrameFunctionalGroupsSequence", [])[number - 1 : number]]
    groups += dataset.get("SharedFunctionalGroupsSequence", [])[:1]
    for group in groups:
        if group.get(name):
            found: Dataset = group[name].value[0]
            return found
    return None


def _fitted(image: Image.Image, viewport: Viewport | None) -> Image.Image:
    """Cut the region out and scale it until it fits, keeping its shape (PS3.18 §8.3.5.1.3)."""
    from PIL import Image as pillow  # noqa: N813  # the module of that name

    if viewport is None:
        return image
    if viewport.region is not None:
        image = _region(image, viewport.region)
    scale = min(viewport.width / image.width, viewport.height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if max(size) > SIDE_PIXELS:
        raise UndecodableError(f"a picture's side is at most {SIDE_PIXELS} pixels")
    return image.resize(size, pillow.Resampling.LANCZOS if scale < 1 else pillow.Resampling.BICUBIC)


def _region(image: Image.Image, region: tuple[float, float, float, float]) -> Image.Image:
    from PIL import ImageOps

    x, y, width, height = region
    box = (
        max(0, int(x)),
        max(0, int(y)),
        min(image.width, int(x + abs(width))),
        min(image.height, int(y + abs(height))),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        raise UndecodableError("the viewport shows nothing of the frame")
    image = image.crop(box)
    if width < 0:
        image = ImageOps.mirror(image)
    return ImageOps.flip(image) if height < 0 else image
