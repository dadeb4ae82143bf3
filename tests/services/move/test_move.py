"""A move: the same bytes under a new key in another tier's protection, and one form that counts at every moment."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retention.model.errors import KeptError, KeyUnavailableError, PlacementError, StorageError
from retention.model.findings import Health
from retention.services import gate
from retention.services.move.budget import Limits
from retention.services.move.move import GRACE
from retention.services.volumes import shard_key
from retention.settings.environment import root_key_path
from tests.services.instances import STUDY, instance, unidentified
from tests.services.move.moving import drop_later, move, move_in
from tests.services.test_rebuild import known, lose, made_again
from tests.services.world import COLD, HOT, World, contents, flip


def on(world: World, tier: str) -> list[str]:
    return [str(p.study_uid) for p in world.packages() if p.tier == tier]


def require_whole(world: World) -> None:
    assert contents(world.export()) == sorted(world.sent.values())
    with world.opened() as stores:
        assert stores.catalog.check() == []


def test_a_moved_study_comes_back_byte_for_byte(held: World):
    (old,) = [p for p in held.packages() if p.tier == "hot"]
    done = move(held, "cold", [old])
    assert ([task.package for task in done.moved], done.failed, done.bytes_received) == (
        [old],
        [],
        old.bytes_received,
    )
    (new,) = [p for p in held.packages() if p.supersedes == old.package_id]
    assert (new.tier, new.protection.data, len(new.shards), new.instances) == ("cold", 4, 6, 3)
    assert (new.package_id, new.key_id, new.index_root) != (old.package_id, old.key_id, old.index_root)
    assert on(held, "hot") == []
    require_whole(held)
    assert held.audit().findings == []


def test_several_moves_after_another(held: World):
    for tier in ("cold", "hot", "cold"):
        move(held, tier)
    assert sorted(on(held, "cold")) == [STUDY, "1.2.840.99.2"]
    require_whole(held)


def test_the_old_form_lies_there_until_its_grace_is_over_and_can_be_read(held: World):
    (old,) = [p for p in held.packages() if p.tier == "hot"]
    move(held, "cold", [old])
    assert len(held.shards(*HOT)) == 2
    assert drop_later(held, GRACE / 2).packages == []
    assert held.audit().findings == []
    left = drop_later(held)
    assert [package.package_id for package in left.packages] == [old.package_id]
    assert held.shards(*HOT) == []
    require_whole(held)
    with held.opened() as stores:
        assert stores.catalog.package(old.package_id).shards == ()
        with pytest.raises(KeyUnavailableError):
            stores.keyring.package_key(old.key_id)
    assert held.audit().findings == []


def test_nothing_is_dropped_while_what_is_to_stay_cannot_be_read(held: World):
    (old,) = [p for p in held.packages() if p.tier == "hot"]
    move(held, "cold", [old])
    for volume in COLD[:3]:
        for path in held.shards(volume):
            path.unlink()
    held.audit(repair=False)
    left = drop_later(held)
    assert left.packages == []
    assert ["sound shards" in error.message for _, error in left.kept] == [True]
    assert len(held.shards(*HOT)) == 2


def test_a_volume_that_is_away_gives_up_its_shard_when_it_is_back(held: World):
    (old,) = [p for p in held.packages() if p.tier == "hot"]
    move(held, "cold", [old])
    held.volume("hot-a").rename(held.root / "elsewhere")
    left = drop_later(held)
    assert (left.packages, len(left.kept)) == ([], 1)
    (held.root / "elsewhere").rename(held.volume("hot-a"))
    assert len(drop_later(held).packages) == 1
    assert held.shards(*HOT) == []
    require_whole(held)


def test_what_the_gate_asks_again_it_refuses(held: World):
    """The gate does not take the caller's word: a package in force passes it under no reason."""
    package = held.packages()[0]
    with held.opened() as stores:
        for why in gate.Why:
            for shard in package.shards:
                volume = stores.volumes[str(shard.volume)]
                key = shard_key(package.package_id, shard.number, 0)
                with pytest.raises(KeptError):
                    gate.remove(stores.catalog, volume, [key], why, stores.clock.now() + 9 * GRACE)
    require_whole(held)


def test_conflicts_duplicates_and_quarantine_move_too(empty: World):
    empty.send("1.dcm", instance(1))
    empty.send("2.dcm", instance(1, pixels=7))
    empty.send("3.dcm", instance(2))
    empty.send("4.dcm", unidentified())
    empty.ingest()
    before = {p.study_uid: p.instances for p in empty.packages()}
    assert len(move(empty, "cold").moved) == len(before)
    assert {p.study_uid: p.instances for p in empty.packages()} == before
    assert contents(empty.export()) == sorted(empty.sent.values())
    assert empty.ingest().duplicates == 4  # it is recognised where it lies now
    assert len(empty.packages()) == len(before)


def test_a_late_instance_joins_a_moved_study(held: World):
    move(held, "cold")
    late = held.send("late.dcm", instance(9))
    assert held.ingest(late).stored == 1
    with held.opened() as stores:
        assert stores.catalog.study(STUDY).summary.tiers == ("cold", "hot")
    require_whole(held)


@pytest.mark.parametrize("drops", [False, True], ids=["in its grace", "dropped"])
def test_a_rebuilt_catalog_knows_the_same(held: World, drops):
    """Also when the old form's key is gone, and with it what the ingest had said."""
    move(held, "cold")
    move(held, "hot")
    if drops:
        assert len(drop_later(held).packages) == 4
    before = known(held)
    lose(held)
    made_again(held)
    assert known(held) == before
    require_whole(held)
    if not drops:
        assert len(drop_later(held).packages) == 4


def test_recover_gives_each_file_once_whichever_forms_it_finds(held: World, tmp_path: Path):
    move(held, "cold")
    for name in ("both", "new"):
        out = tmp_path / name
        tool = held.volume("hot-a") / "recover.py"
        key = root_key_path(held.root, {})
        done = subprocess.run(
            [sys.executable, tool, "--key", key, "--out", out, *map(held.volume, (*HOT, *COLD))],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = [path for path in out.rglob("*.dcm") if path.is_file()]
        assert sorted(path.read_bytes() for path in files) == sorted(held.sent.values())
        drop_later(held)


def test_a_damaged_source_is_read_around(held: World):
    cold = next(p for p in held.packages() if p.tier == "cold")
    flip(held.shard(cold, 0), 300)
    held.shard(cold, 1).unlink()
    assert len(move(held, "hot", [cold]).moved) == 1
    require_whole(held)


def test_what_cannot_be_read_stays_where_it_is_and_stops_no_other(held: World):
    hot = next(p for p in held.packages() if p.tier == "hot")
    for number in (0, 1):
        flip(held.shard(hot, number), 300)
    done = move(held, "cold")
    assert [task.package.package_id for task, _ in done.failed] == [hot.package_id]
    assert len(done.moved) == 1
    assert held.leftovers() == []
    with held.opened() as stores:
        assert not stores.catalog.package(hot.package_id).is_superseded


def test_a_tier_that_cannot_take_it_leaves_nothing(held: World):
    for volume in COLD[:3]:
        shutil.rmtree(held.volume(volume) / "packages", ignore_errors=True)
        held.volume(volume).rename(held.root / f"{volume}.away")
    hot = next(p for p in held.packages() if p.tier == "hot")
    done = move(held, "cold", [hot])
    assert [type(error) for _, error in done.failed] == [PlacementError]
    assert isinstance(done.failed[0][1], StorageError)
    assert on(held, "hot") == [STUDY]


def test_what_somebody_else_moved_meanwhile_is_not_moved_again(held: World):
    packages = held.packages()
    with held.opened() as stores:
        assert len(move(held, "cold").moved) == 2
        done = move_in(stores, "hot", packages)
    assert (done.moved, len(done.overtaken)) == ([], 2)
    assert sorted(on(held, "cold")) == [STUDY, "1.2.840.99.2"]
    assert held.leftovers() == []
    require_whole(held)


def test_a_budget_ends_a_run_between_packages(held: World):
    packages = held.packages()
    room = packages[0].bytes_received
    done = move(held, "cold", limits=Limits(max_bytes=room))
    assert ([t.package for t in done.moved], [t.package for t in done.left]) == (packages[:1], packages[1:])
    done = move(held, "cold", limits=Limits(max_seconds=0))
    assert (done.moved, len(done.left)) == ([], 2)
    require_whole(held)


def test_write_debt_is_owed_by_moves_as_by_ingests(held: World):
    held.volume("cold-6").rename(held.root / "away")
    hot = next(p for p in held.packages() if p.tier == "hot")
    assert len(move(held, "cold", [hot]).moved) == 1
    (new,) = [p for p in held.packages() if p.supersedes]
    assert [shard.volume for shard in new.shards].count(None) == 1
    (held.root / "away").rename(held.volume("cold-6"))
    assert held.audit().settled == 1
    assert {p.health for p in held.packages()} == {Health.SOUND}
