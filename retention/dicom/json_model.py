"""An instance's data set as DICOM JSON (PS3.18 annex F); of pixel data and long binary values, where to get them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from retention.model.errors import InvalidDicomError

BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
LONGEST_BINARY_BYTES = 1024
PIXEL_DATA = "7FE00010"
PIXEL_DESCRIPTION = ("00280010", "00280011", "00280100")
"""Rows, Columns, Bits Allocated: what has them has pixel data."""


def metadata_of(file: bytes, bulk_url: str) -> dict[str, Any]:
    """Return an instance's attributes by tag. Raises InvalidDicomError when they cannot all be read.

    `bulk_url` is where bulk data are got: a long binary value is named below it by its path, tags and items' numbers.
    """
    from pydicom import dcmread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(BytesIO(file), force=True, stop_before_pixels=True)
            long = dict(_taken(dataset, ()))
            found: dict[str, Any] = dataset.to_json_dict(suppress_invalid_tags=True)
        except Exception as error:  # pydicom raises whatever a malformed value makes of it
            raise InvalidDicomError("the instance's attributes cannot be read") from error
    if all(tag in found for tag in PIXEL_DESCRIPTION):
        long[PIXEL_DATA,] = "OW"
    for path, vr in long.items():
        _level(found, path)[path[-1]] = {"vr": vr, "BulkDataURI": f"{bulk_url}/{'/'.join(path)}"}
    return {tag: found[tag] for tag in sorted(found) if tag[:4] != "0002"}


def _taken(dataset: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401  # pydicom is loaded when it is used
    """Remove binary values that belong into bulk data, at every depth; yield their paths and representations."""
    for element in list(dataset):
        tag = f"{int(element.tag):08X}"
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from _taken(item, (*path, tag, str(number)))
        elif element.VR in BINARY_VRS and len(element.value or b"") > LONGEST_BINARY_BYTES:
            yield (*path, tag), str(element.VR)
            del dataset[element.tag]


def _level(found: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return the item that a path's last tag belongs to."""
    level = found
    for tag, number in zip(path[0:-1:2], path[1::2], strict=True):
        level = level[tag]["Value"][int(number)]
    return level


def tag_of(name: str) -> str | None:
    """Return the tag that a name means, as eight hexadecimal digits: a keyword, or a tag itself; None for neither."""
    from pydicom.datadict import tag_for_keyword

    if len(name) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in name):
        return name.upper()
    tag = tag_for_keyword(name)
    return None if tag is None else f"{tag:08X}"
