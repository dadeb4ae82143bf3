"""The document of `inventory export`."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count


class InventoryExport(TypedDict):
    """An inventory that was written: a row an object on a volume."""

    rows: Count
    files: list[str]
    """Relative to the folder; the last one is the manifest."""
