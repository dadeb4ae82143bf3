"""The document of `demo`: step by step what was proven."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count


class DemoStep(TypedDict):
    """One thing that was done, and whether what it was to prove is proven."""

    step: str
    proven: bool
    outcome: str
    seconds: float


class Demo(TypedDict):
    """The whole life of a few studies."""

    archive: str
    """Its folder; removed at the end unless it was to be kept."""
    kept: bool
    files: Count
    """Source files that are DICOM instances, or claim to be."""
    equal: Count
    """Of these, came back with the same SHA-256."""
    reencoded: Count
    """Of these, were held already with other file meta: their data set came back in the file received first."""
    bytes: Count
    proven: bool
    """Every step is proven, and every source file is `equal` or `reencoded`."""
    seconds: float
    steps: list[DemoStep]
