"""An instance's data set as DICOM JSON (PS3.18 annex F), without pixel data and other long binary values."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

from retention.model.errors import InvalidDicomError

BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
LONGEST_BINARY_BYTES = 1024


def metadata_of(file: bytes) -> dict[str, Any]:
    """Return an instance's attributes by tag. Raises InvalidDicomError when they cannot all be read."""
    from pydicom import dcmread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(BytesIO(file), force=True, stop_before_pixels=True)
            _drop_long(dataset)
            found: dict[str, Any] = dataset.to_json_dict(suppress_invalid_tags=True)
        except Exception as error:  # pydicom raises whatever a malformed value makes of it
            raise InvalidDicomError("the instance's attributes cannot be read") from error
    return {tag: element for tag, element in found.items() if tag[:4] != "0002"}


def _drop_long(dataset: Any) -> None:  # noqa: ANN401  # pydicom is loaded when it is used
    """Remove binary values that belong into bulk data, at every depth."""
    for element in list(dataset):
        if element.VR == "SQ":
            for item in element.value:
                _drop_long(item)
        elif element.VR in BINARY_VRS and len(element.value or b"") > LONGEST_BINARY_BYTES:
            del dataset[element.tag]
