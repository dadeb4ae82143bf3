"""A catalog put back from an old backup is found out at the price of a few file sizes."""

from __future__ import annotations

import shutil
from pathlib import Path

from retention.services.freshness import Lag, lag
from tests.services.instances import instance
from tests.services.world import REPLICAS, World


def looked(world: World) -> Lag | None:
    with world.opened(to_write=False) as stores:
        found = lag(stores)
        assert "journal" not in stores.__dict__, "a look does not open the journal"
        assert "keyring" not in stores.__dict__
        return found


def test_a_catalog_in_step_is_no_concern(held: World):
    assert looked(held) is None


def test_an_old_catalog_is_behind_until_something_writes(held: World, tmp_path: Path):
    shutil.copy(held.root / "catalog.db", tmp_path / "old.db")
    held.send("new.dcm", instance(9, study="1.2.840.99.9"))
    held.ingest()
    shutil.copy(tmp_path / "old.db", held.root / "catalog.db")
    assert looked(held) is Lag.BEHIND
    with held.opened():
        pass
    assert looked(held) is None


def test_a_journal_that_lost_its_end_leaves_the_catalog_ahead(held: World):
    for name in REPLICAS:
        for path in held.volume(name).glob("journal/*.envelopes"):
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert looked(held) is Lag.AHEAD


def test_a_replica_that_is_behind_is_none_of_its_business(held: World):
    shutil.rmtree(held.volume("cold-1"))
    for path in held.volume("hot-a").glob("journal/*"):
        path.unlink()
    assert looked(held) is None
