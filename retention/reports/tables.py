"""The report's tables as Parquet, for whoever wants to count again: zstd, sorted, the same bytes for the same rows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from retention.model.canonical import JsonValue
from retention.model.errors import UsageError

Rows = Sequence[JsonValue]

TABLES: Mapping[str, tuple[str, str]] = {
    "holdings_by_tier": ("holdings", "by_tier"),
    "holdings_by_modality": ("holdings", "by_modality"),
    "stored_by_month": ("holdings", "stored_by_month"),
    "fixity_by_tier": ("fixity", "tiers"),
    "audit_coverage": ("fixity", "coverage"),
    "audit_methods": ("fixity", "methods"),
    "incidents": ("fixity", "incidents"),
    "volumes": ("copies", "volumes"),
    "states": ("retention", "states"),
    "endings": ("retention", "endings"),
    "policy_changes": ("policy_changes", ""),
    "metering": ("metering", ""),
}
"""Each table, and where its rows stand in the document: a section, and a part of it if it is not the whole."""


def tables(document: Mapping[str, JsonValue]) -> dict[str, bytes]:
    """Return the Parquet file of every table that has rows. Raises UsageError when pyarrow is not installed."""
    found = {}
    for name, (section, part) in TABLES.items():
        within = document[section]
        rows = within[part] if isinstance(within, Mapping) and part else within
        if isinstance(rows, Sequence) and rows:
            found[name] = parquet(rows)
    return found


def parquet(rows: Rows) -> bytes:
    """Return rows of equal keys as one Parquet file."""
    try:
        import pyarrow as pa
        from pyarrow import parquet as files
    except ImportError as error:
        raise UsageError(
            "the tables need the library pyarrow",
            hint="install retention with its extra: pip install 'retention[reports]'",
        ) from error
    sorted_rows = [dict(sorted(row.items())) for row in rows if isinstance(row, Mapping)]
    buffer = io.BytesIO()
    files.write_table(pa.Table.from_pylist(sorted_rows), buffer, compression="zstd")
    return buffer.getvalue()
