"""Volumes that are not there, or are not themselves: nothing is written in their place, and they catch up when back."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from retention.catalog.records import ShardState
from retention.model.errors import PlacementError, VolumeUnavailableError
from retention.services.uploads import PackageUploads
from retention.services.volume_care import replace_volume
from retention.storage.state import VolumeState
from tests.bad_days.after import require_sound, require_whole_or_absent
from tests.bad_days.disks import disk
from tests.services.instances import instance
from tests.services.world import COLD, REPLICAS, World, contents

STUDY = "1.2.9.1"


def away(world: World, *names: str) -> None:
    for name in names:
        world.volume(name).rename(world.root / f"away-{name}")


def back(world: World, *names: str) -> None:
    for name in names:
        (world.root / f"away-{name}").rename(world.volume(name))


def send(world: World) -> None:
    world.send(f"{STUDY}/1.dcm", instance(1, study=STUDY))


@pytest.mark.parametrize("gone", ["cold-1", "cold-6", "hot-a"])
def test_one_volume_away_is_a_debt_that_an_audit_settles(empty: World, gone: str):
    send(empty)
    away(empty, gone)
    report = empty.ingest(tier="hot" if gone == "hot-a" else "cold")
    assert (report.stored, report.write_debt) == (1, 1)
    assert not empty.volume(gone).exists()
    assert contents(empty.export()) == [instance(1, study=STUDY)]
    assert empty.audit().settled == 0
    back(empty, gone)
    assert empty.audit().settled == 1
    require_sound(empty)
    assert all(shard.generation == 0 for package in empty.packages() for shard in package.shards)


def test_a_debt_goes_to_a_spare_when_there_is_one(empty: World):
    send(empty)
    settings = empty.root / "archive.yaml"
    text = settings.read_text().replace("data: 4, parity: 2", "data: 2, parity: 2")
    settings.write_text(text.replace("cold-4, cold-5, cold-6]", "cold-4]"))
    away(empty, "cold-2")
    report = empty.ingest(tier="cold")
    assert (report.stored, report.write_debt) == (1, 0)
    (package,) = empty.packages()
    assert sorted(str(shard.volume) for shard in package.shards) == ["cold-1", "cold-3", "cold-4", "cold-5"]
    back(empty, "cold-2")
    require_sound(empty)


@pytest.mark.parametrize("gone", list(combinations(REPLICAS, 2))[::3], ids="-".join)
def test_with_any_two_replicas_away_what_was_acknowledged_is_known(empty: World, gone: tuple[str, str]):
    """Acknowledged while all were there; then two are lost for ever."""
    send(empty)
    empty.ingest(tier="cold")
    for name in gone:
        shutil.rmtree(empty.volume(name))
    assert contents(empty.export()) == [instance(1, study=STUDY)]


def test_with_too_few_replicas_nothing_is_acknowledged(held: World):
    held.send(f"{STUDY}/1.dcm", instance(1, study=STUDY))
    away(held, *REPLICAS[1:])
    with pytest.raises(VolumeUnavailableError) as refused:
        held.ingest(tier="hot")
    assert "1 of 1 replicas" in refused.value.message or "2 are needed" in refused.value.message
    back(held, *REPLICAS[1:])
    assert {package.study_uid for package in held.packages()} == {"1.2.840.99.1", "1.2.840.99.2"}
    assert held.ingest().stored == 1
    require_sound(held)


def test_replicas_that_were_away_catch_up(empty: World):
    send(empty)
    away(empty, "hot-b", "cold-2")
    empty.ingest()
    back(empty, "hot-b", "cold-2")
    with empty.opened() as stores:
        assert stores.journal.verify().problems == []  # the last segment was brought in step at the start
    require_sound(empty)
    for name in ("journal", "keyring"):
        replicas = [{p.name: p.read_bytes() for p in (empty.volume(v) / name).iterdir()} for v in REPLICAS]
        assert all(replica == replicas[0] for replica in replicas)


def recorded_as_mount_point(world: World, name: str) -> None:
    with world.opened() as stores:
        (record,) = [record for record in stores.catalog.volumes() if record.spec.name == name]
        with stores.catalog.transaction() as step:
            step.record_volume(replace(record, is_mount=True))


def test_nothing_is_written_into_an_empty_mount_point(empty: World):
    """The disk is not mounted: the folder it is mounted on is empty, and on another device."""
    send(empty)
    recorded_as_mount_point(empty, "cold-3")
    away(empty, "cold-3")
    empty.volume("cold-3").mkdir()
    with empty.opened() as stores:
        assert stores.volumes["cold-3"].probe() is VolumeState.UNMOUNTED
    assert empty.ingest(tier="cold").write_debt == 1
    report = empty.audit()
    assert [(f.volume, f.detail) for f in report.findings] == [("cold-3", "unmounted")]
    assert list(empty.volume("cold-3").iterdir()) == []


def test_a_real_mount_that_goes_away_in_the_middle_is_noticed_and_its_folder_stays_empty(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    send(empty)
    begin = PackageUploads.begin
    with disk(empty.volume("cold-3")) as mounted:
        recorded_as_mount_point(empty, "cold-3")
        assert empty.audit().findings == []

        def beginning(*given: Any) -> PackageUploads:
            subprocess.run(["umount", "--lazy", mounted.path], check=True)
            return begin(*given)

        monkeypatch.setattr(PackageUploads, "begin", beginning)
        assert empty.ingest(tier="cold").write_debt == 1
        assert list(empty.volume("cold-3").iterdir()) == []


@pytest.mark.parametrize("what", ["another volume", "another archive"])
def test_what_has_anothers_identity_is_neither_read_nor_written(held: World, what: str, folder: Path):
    held.send(f"{STUDY}/1.dcm", instance(1, study=STUDY))
    if what == "another volume":
        away(held, "cold-1", "cold-2")
        (held.root / "away-cold-1").rename(held.volume("cold-2"))
        (held.root / "away-cold-2").rename(held.volume("cold-1"))
        strangers = ["cold-1", "cold-2"]
    else:
        (folder / "other").mkdir()
        other = World.make(folder / "other")
        away(held, "cold-1")
        shutil.copytree(other.volume("cold-1"), held.volume("cold-1"))
        strangers = ["cold-1"]
    before = held.digest(*strangers)
    with held.opened() as stores:
        assert {stores.volumes[name].probe() for name in strangers} == {VolumeState.WRONG}
    if len(strangers) == 2:
        with pytest.raises(PlacementError):
            held.ingest(tier="cold")
    else:
        assert held.ingest(tier="cold").write_debt == 1
    report = held.audit()
    assert {(f.volume, f.detail) for f in report.findings if f.subject == "volume"} == {
        (n, "wrong") for n in strangers
    }
    assert report.lost == 0
    assert held.digest(*strangers) == before


def test_an_emptied_volume_is_filled_again(held: World):
    for name in ("cold-1", "cold-5"):
        for path in held.volume(name).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    report = held.audit()
    assert report.repaired == 2
    assert [f.subject for f in report.findings if f.subject == "identity"] == ["identity"] * 2
    require_sound(held)


def test_all_hot_volumes_and_one_cold_emptied_is_still_repaired_where_it_can_be(held: World):
    """Three of five replicas and both copies: hot is lost, and said to be; everything else is as before."""
    for name in ("hot-a", "hot-b", "cold-1"):
        for path in held.volume(name).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    report = held.audit()
    assert (report.repaired, report.lost) == (1, 1)
    (lost,) = report.lost_packages
    assert lost.study_uid == "1.2.840.99.1"
    second = held.audit()
    assert (second.repaired, second.lost) == (0, 1)
    assert {finding.subject for finding in second.findings} == {None}


def test_a_volume_that_was_replaced_while_it_was_away_is_not_taken_back(held: World):
    """Its old disk turns up again: another identity than the one recorded now."""
    away(held, "cold-4")
    with held.opened() as stores:
        replace_volume(stores, "cold-4", None)
    held.audit()
    shutil.rmtree(held.volume("cold-4"))
    back(held, "cold-4")
    with held.opened() as stores:
        assert stores.volumes["cold-4"].probe() is VolumeState.WRONG
    assert contents(held.export()) == sorted(held.sent.values())


def test_debts_are_listed_until_they_are_settled(empty: World):
    send(empty)
    away(empty, "cold-2")
    empty.ingest(tier="cold")
    with empty.opened() as stores:
        (debt,) = stores.catalog.debts()
    assert debt.shard.state is ShardState.UNPLACED
    back(empty, "cold-2")
    empty.audit()
    with empty.opened() as stores:
        assert list(stores.catalog.debts()) == []
    assert require_whole_or_absent(empty) == {STUDY}
    assert {str(shard.volume) for shard in empty.packages()[0].shards} == set(COLD)
