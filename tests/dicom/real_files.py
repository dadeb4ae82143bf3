"""The real DICOM files inside pydicom's distribution, and pydicom's own reading of them to compare with."""

import io
import warnings
from pathlib import Path
from typing import Any

import pydicom
from pydicom.multival import MultiValue

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(file for file in FOLDER.rglob("*") if file.is_file() and file.stat().st_size < 1_000_000)
IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def peer_reading(data: bytes, *, force: bool = False) -> pydicom.Dataset | None:
    """Return the data set as pydicom reads it, None if it does not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=force)
            read.decode()
        except Exception:  # noqa: BLE001 - whatever pydicom cannot read, it says so in its own many ways
            return None
    return read


def first(read: pydicom.Dataset, keyword: str) -> Any:
    """Return the first value of an element as our facts have it: trimmed text or a number, None if empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = read.get(keyword)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    if keyword == "InstanceNumber" and value is not None:
        value = value.original_string
    return value if value is None or isinstance(value, int) else str(value).strip(" \0") or None


def identity_in(read: pydicom.Dataset | None) -> list[str] | None:
    """Return the three UIDs, None if one is missing."""
    uids = [first(read, keyword) for keyword in IDENTITY] if read is not None else []
    return [str(uid) for uid in uids] if uids and all(uids) else None
