"""The inventory names every object on every volume once, is in the journal, and is made by itself when it is due."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from retention.model.errors import UsageError
from retention.services.inventory import INVENTORY_MADE, export_inventory, inventory_if_due
from tests.services.world import World


def objects(folder: Path) -> list[dict[str, object]]:
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_every_object_on_a_volume_is_a_row(held: World, tmp_path: Path):
    with held.opened() as stores:
        made = export_inventory(stores, tmp_path / "out")
        last = list(stores.journal.read(0))[-1].envelope
    found = objects(tmp_path / "out")
    there = {path.relative_to(held.root).as_posix() for path in held.shards()}
    assert {f"{row['bucket']}/{row['key']}" for row in found} == there
    assert made.rows == len(found) == len(there)
    assert all(
        row["size"] == (held.root / str(row["bucket"]) / str(row["key"])).stat().st_size for row in found
    )
    assert {(row["study_uid"], row["storage_class"]) for row in found} == {
        ("1.2.840.99.1", "hot"),
        ("1.2.840.99.2", "cold"),
    }
    assert last.action == INVENTORY_MADE
    digest = hashlib.sha256((tmp_path / "out" / made.files[-1]).read_bytes()).hexdigest()
    assert last.data == {"rows": made.rows, "files": len(made.files), "manifest": digest}
    assert not any(b"IPP-1" in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_an_institution_sees_its_own(held: World, tmp_path: Path):
    with held.opened() as stores:
        assert export_inventory(stores, tmp_path / "out", "necker").rows > 0
        with pytest.raises(UsageError):
            export_inventory(stores, tmp_path / "out", "nowhere")


def test_it_does_not_lie_among_what_it_counts(held: World):
    with held.opened() as stores, pytest.raises(UsageError, match="inside the archive"):
        export_inventory(stores, held.root / "hot-a" / "out")


def test_it_makes_itself_once_a_week(held: World):
    with held.opened() as stores:
        assert inventory_if_due(stores, stop=lambda: False).rows > 0
        assert inventory_if_due(stores, stop=lambda: False).rows == 0


def test_one_that_was_stopped_is_none(held: World):
    with held.opened() as stores:
        assert inventory_if_due(stores, stop=lambda: True).rows == 0
        assert not list((held.root / "inventory").rglob("manifest.json"))
        assert inventory_if_due(stores, stop=lambda: False).rows > 0
