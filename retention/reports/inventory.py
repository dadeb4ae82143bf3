"""An inventory laid out as S3 Inventory is: Parquet files, and a manifest that lists them with their MD5.

    OUT/SOURCE/CONFIG/2026-11-24T12-00Z/manifest.json, manifest.checksum
    OUT/SOURCE/CONFIG/data/….parquet

Whatever reads an S3 inventory reads this one: column names and types are those of S3's version 2016-11-30, where there
is something to say; columns of our own follow. The manifest is written last, so what has one is whole. Rows are
written in groups: memory does not grow with their number.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from retention.model.errors import UsageError

VERSION = "2016-11-30"
CONFIG = "holdings"
ROWS_A_GROUP = 50_000
ROWS_A_FILE = 2_000_000

COLUMNS: Mapping[str, str] = {
    "bucket": "required binary {} (UTF8)",
    "key": "required binary {} (UTF8)",
    "version_id": "optional binary {} (UTF8)",
    "is_latest": "optional boolean {}",
    "size": "optional int64 {}",
    "last_modified_date": "optional int64 {} (TIMESTAMP_MILLIS)",
    "e_tag": "optional binary {} (UTF8)",
    "storage_class": "optional binary {} (UTF8)",
    "encryption_status": "optional binary {} (UTF8)",
    "object_lock_legal_hold_status": "optional binary {} (UTF8)",
    "institution": "optional binary {} (UTF8)",
    "package": "optional binary {} (UTF8)",
    "protection": "optional binary {} (UTF8)",
    "state": "optional binary {} (UTF8)",
    "verified_date": "optional int64 {} (TIMESTAMP_MILLIS)",
    "study_uid": "optional binary {} (UTF8)",
    "modalities": "optional binary {} (UTF8)",
    "retention_state": "optional binary {} (UTF8)",
    "keep_until": "optional binary {} (UTF8)",
}
"""Each column and its Parquet type as the manifest writes it. The first ten are S3's own."""

Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was written: how many rows, which files (relative to the folder), the last of them the manifest."""

    rows: int
    files: tuple[str, ...]


def write_inventory(out: Path, source: str, at: datetime, rows: Iterable[Row]) -> Inventory:
    """Write an inventory of `source` below `out`; a row has a value for each of COLUMNS.

    Raises UsageError when there is one of that minute already, or pyarrow is not installed.
    """
    stamp = f"{at:%Y-%m-%dT%H-%MZ}"
    place = out / source / CONFIG
    if (place / stamp).exists():
        raise UsageError(f"{place / stamp} is there already", hint="name another folder, or wait a minute")
    (place / "data").mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, Any]] = []
    count, waiting = 0, iter(rows)
    while (first := next(waiting, None)) is not None:
        name = f"{source}/{CONFIG}/data/{stamp}-{len(listed):06d}.parquet"
        written, digest = _write_file(out / name, first, waiting)
        listed.append({"key": name, "size": (out / name).stat().st_size, "MD5checksum": digest})
        count += written
    manifest = json.dumps(_manifest(source, at, listed), indent=2).encode()
    (place / stamp).mkdir()
    checksum = f"{_md5(manifest)}\n".encode()
    files = [one["key"] for one in listed]
    for name, content in (("manifest.checksum", checksum), ("manifest.json", manifest)):
        _write_whole(place / stamp / name, content)
        files.append(f"{source}/{CONFIG}/{stamp}/{name}")
    return Inventory(count, tuple(files))


def _manifest(source: str, at: datetime, listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fields = " ".join(f"{kind.format(name)};" for name, kind in COLUMNS.items())
    return {
        "sourceBucket": source,
        "destinationBucket": f"arn:aws:s3:::{source}",
        "version": VERSION,
        "creationTimestamp": str(int(at.timestamp() * 1000)),
        "fileFormat": "Parquet",
        "fileSchema": f"message s3.inventory {{ {fields} }}",
        "files": list(listed),
    }


def _write_file(path: Path, first: Row, rest: Iterator[Row]) -> tuple[int, str]:
    """Write one Parquet file, durably; return how many rows, and its MD5 as S3 Inventory has it."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "the inventory needs the library pyarrow",
            hint="install retention with its extra: pip install 'retention[reports]'",
        ) from error
    schema = pa.schema(
        [pa.field(name, _type(pa, kind), nullable="optional" in kind) for name, kind in COLUMNS.items()]
    )
    count, group = 0, [first, *islice(rest, ROWS_A_GROUP - 1)]
    with path.open("xb") as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group:
            columns = [list(column) for column in zip(*group, strict=True)]
            arrays = [pa.array(values, one.type) for values, one in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(group)
            group = list(islice(rest, ROWS_A_GROUP)) if count < ROWS_A_FILE else []
    with path.open("rb") as written:
        os.fsync(written.fileno())
        digest = hashlib.file_digest(written, lambda: hashlib.md5(usedforsecurity=False))
    return count, digest.hexdigest()


def _type(pa: Any, kind: str) -> Any:  # noqa: ANN401  # pyarrow ships no types
    if "TIMESTAMP" in kind:
        return pa.timestamp("ms", tz="UTC")
    return pa.bool_() if "boolean" in kind else pa.int64() if "int64" in kind else pa.string()


def _write_whole(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
