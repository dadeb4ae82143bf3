"""An inventory is what readers of S3 Inventory expect, whole or without a manifest; memory does not grow with it."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from retention.model.errors import UsageError
from retention.reports import inventory
from retention.reports.inventory import COLUMNS, write_inventory

AT = datetime(2026, 11, 24, 12, 5, tzinfo=UTC)


def rows(count: int):
    for number in range(count):
        key = f"packages/{number:032x}.00.g0.shard"
        yield (
            "hot-a", key, "0", True, number, AT, "00" * 32, "hot", "CLIENT-SIDE", "Off",
            "necker", f"{number:032x}", "1+1", "sound", AT, f"1.2.{number}", "CT", "DETERMINED", "2040-01-01",
        )  # fmt: skip


def test_the_layout_is_that_of_s3_inventory(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(inventory, "ROWS_A_GROUP", 4)
    monkeypatch.setattr(inventory, "ROWS_A_FILE", 8)
    made = write_inventory(tmp_path, "regional", AT, rows(19))
    assert made.rows == 19
    assert made.files[-1] == "regional/holdings/2026-11-24T12-05Z/manifest.json"
    text = (tmp_path / made.files[-1]).read_bytes()
    assert (tmp_path / made.files[-2]).read_text() == hashlib.md5(
        text, usedforsecurity=False
    ).hexdigest() + "\n"
    manifest = json.loads(text)
    assert (manifest["version"], manifest["fileFormat"]) == ("2016-11-30", "Parquet")
    assert manifest["fileSchema"].startswith("message s3.inventory { required binary bucket (UTF8); required")
    assert len(manifest["files"]) == 3
    found = []
    for one in manifest["files"]:
        data = (tmp_path / one["key"]).read_bytes()
        assert (len(data), hashlib.md5(data, usedforsecurity=False).hexdigest()) == (
            one["size"],
            one["MD5checksum"],
        )
        found += pq.read_table(tmp_path / one["key"]).to_pylist()
    assert [tuple(row.values()) for row in found] == list(rows(19))
    assert list(found[0]) == list(COLUMNS)


def test_what_stopped_has_no_manifest(tmp_path: Path):
    def stopping():
        yield from rows(3)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_inventory(tmp_path, "regional", AT, stopping())
    assert not list(tmp_path.rglob("manifest.json"))


def test_there_is_one_of_a_minute(tmp_path: Path):
    write_inventory(tmp_path, "regional", AT, rows(1))
    with pytest.raises(UsageError):
        write_inventory(tmp_path, "regional", AT, rows(1))


def test_nothing_held_is_an_inventory_too(tmp_path: Path):
    made = write_inventory(tmp_path, "regional", AT, rows(0))
    assert json.loads((tmp_path / made.files[-1]).read_text())["files"] == []


@pytest.mark.skipif("LONG_INVENTORY" not in os.environ, reason="two million rows: LONG_INVENTORY=1")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path):
    write_inventory(tmp_path, "small", AT, rows(300_000))
    small = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_inventory(tmp_path, "large", AT, rows(2_000_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < small * 1.3
