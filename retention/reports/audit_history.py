"""The results of audits as Parquet: one file a day, sorted, zstd, for DuckDB, Spark or whatever reads it.

The invariant: the file of a day is a function of the day's results, and says by which digest the journal commits to
them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from retention.model.errors import IntegrityError, ShardDamagedError, UsageError

DIGEST = b"retention.results.sha256"
LAST = b"retention.results.last-entry"


class Row(NamedTuple):
    """One check of one shard, in the order of the file's columns."""

    entry: int
    package: str
    shard: int
    method: str
    checked_at: datetime
    tier: str
    volume: str
    generation: int
    bytes: int
    result: str
    repaired: bool


class Written(NamedTuple):
    """What a file says of itself: the digest over its rows, and the last journal entry that they are from."""

    digest: bytes
    last_entry: int


def day_file(rows: Iterable[Row], digest: bytes, last_entry: int) -> bytes:
    """Return a day's file; `rows` are in order. Raises UsageError when pyarrow is not installed."""
    pa, parquet = _libraries()
    schema = _schema(pa).with_metadata({DIGEST: digest.hex().encode(), LAST: str(last_entry).encode()})
    columns = list(zip(*rows, strict=True)) or [() for _ in Row._fields]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    buffer = io.BytesIO()
    parquet.write_table(
        pa.Table.from_arrays(arrays, schema=schema),
        buffer,
        compression="zstd",
        sorting_columns=[parquet.SortingColumn(place) for place in range(4)],
    )
    return buffer.getvalue()


def written(data: bytes) -> Written:
    """Return what a file says of itself. Raises ShardDamagedError for what is none, UsageError as `day_file`."""
    _, parquet = _libraries()
    try:
        metadata = parquet.read_schema(io.BytesIO(data)).metadata or {}
        return Written(bytes.fromhex(metadata[DIGEST].decode()), int(metadata[LAST]))
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(error) from error


def rows_of(data: bytes) -> Sequence[Row]:
    """Return the rows of a file. Raises as `written`."""
    _, parquet = _libraries()
    try:
        columns = parquet.read_table(io.BytesIO(data), columns=list(Row._fields)).to_pydict()
    except (OSError, ValueError) as error:
        raise _damaged(error) from error
    return [Row(*values) for values in zip(*(columns[name] for name in Row._fields), strict=True)]


def _schema(pa: Any) -> Any:  # noqa: ANN401  # pyarrow has no types
    name = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            pa.field("entry", pa.int64(), nullable=False),
            pa.field("package", pa.string(), nullable=False),
            pa.field("shard", pa.int16(), nullable=False),
            pa.field("method", name, nullable=False),
            pa.field("checked_at", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("tier", name, nullable=False),
            pa.field("volume", name, nullable=False),
            pa.field("generation", pa.int32(), nullable=False),
            pa.field("bytes", pa.int64(), nullable=False),
            pa.field("result", name, nullable=False),
            pa.field("repaired", pa.bool_(), nullable=False),
        ]
    )


def _damaged(error: Exception) -> IntegrityError:
    return ShardDamagedError(
        f"a file of the audit history cannot be read: {error}", hint="write it again: retention audit history"
    )


def _libraries() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "the history of audits needs the library pyarrow",
            hint="install retention with its extra: pip install 'retention[reports]'",
        ) from error
    return pa, parquet
