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
    """Source files that are DICOM instances."""
    bytes: Count
    proven: bool
    """Every step is proven, and every source file came back with the same SHA-256."""
    seconds: float
    steps: list[DemoStep]
