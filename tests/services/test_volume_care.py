"""Looking after volumes: what each bears, and another place in a lost one's stead."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from retention.archive import replace_archive_volume
from retention.catalog.records import ShardState
from retention.model.errors import NotFoundError, UsageError
from retention.model.findings import Health
from retention.services import commit, events
from retention.services.volume_care import replace_volume, tier_statuses, volume_statuses
from retention.storage.state import VolumeState
from tests.services.world import REPLICAS, VOLUMES, World, contents


def last_action(world: World) -> str:
    """What was last done to a volume; that archive.yaml was edited for it is noted beside."""
    with world.opened() as stores:
        actions = [entry.envelope.action for entry in stores.journal.read()]
    return next(action for action in reversed(actions) if action.startswith("volume."))


def test_every_volume_says_what_it_holds_and_carries(held: World):
    with held.opened() as stores:
        statuses = {status.spec.name: status for status in volume_statuses(stores)}
    assert list(statuses) == list(VOLUMES)
    assert {status.state for status in statuses.values()} == {VolumeState.READY}
    assert [name for name, status in statuses.items() if status.carries_journal] == list(REPLICAS)
    assert statuses["hot-a"].tiers == ("hot",)
    assert (statuses["cold-6"].shards, statuses["cold-6"].flawed) == (1, 0)
    assert statuses["cold-6"].free_bytes is not None
    assert statuses["cold-6"].free_bytes <= (statuses["cold-6"].total_bytes or 0)


def test_a_volume_that_does_not_answer_has_no_sizes(held: World):
    held.volume("cold-2").rename(held.root / "away")
    with held.opened() as stores:
        (status,) = [status for status in volume_statuses(stores) if status.spec.name == "cold-2"]
    assert (status.state, status.free_bytes, status.total_bytes) == (VolumeState.MISSING, None, None)
    assert status.shards == 1


def test_a_tier_says_what_it_survives(held: World):
    with held.opened() as stores:
        found = {status.name: status for status in tier_statuses(stores)}
        assert (found["hot"].volume_losses, found["hot"].domain_losses, found["hot"].problem) == (1, 0, None)
        assert (found["cold"].protection, found["cold"].volume_losses) == ("4+2", 2)
        stores.settings.tiers["cold"] = replace(stores.settings.tiers["cold"], accept_single_domain=False)
        (cold,) = [status for status in tier_statuses(stores) if status.name == "cold"]
        assert (cold.volume_losses, cold.domain_losses) == (0, 0)
        assert "domain" in str(cold.problem)


def test_an_empty_place_becomes_the_volume_and_an_audit_fills_it(held: World):
    shutil.rmtree(held.volume("cold-1"))
    with held.opened() as stores:
        record = replace_archive_volume(stores, "cold-1", "file:new-disk")
        assert record.spec.url == "file:new-disk"
        assert stores.volumes["cold-1"].probe() is VolumeState.READY
        assert [flaw.shard.state for flaw in stores.catalog.flawed_shards()] == [ShardState.MISSING]
        (status,) = [status for status in volume_statuses(stores) if status.spec.name == "cold-1"]
        assert (status.state, status.spec.url, status.flawed) == (VolumeState.READY, "file:new-disk", 1)
    assert "file:new-disk" in (held.root / "archive.yaml").read_text()
    report = held.audit()
    assert report.repaired == 1
    assert held.audit().findings == []
    assert (held.root / "new-disk" / "journal").is_dir()
    assert {package.health for package in held.packages()} == {Health.SOUND}
    assert contents(held.export()) == sorted(held.sent.values())


def test_the_same_place_emptied_by_another_disk_becomes_it_anew(held: World):
    shutil.rmtree(held.volume("cold-1"))
    with held.opened() as stores:
        old = {record.spec.name: record.volume_id for record in stores.catalog.volumes()}
        record = replace_volume(stores, "cold-1", None)
        assert record.volume_id != old["cold-1"]
    assert last_action(held) == events.VOLUME_REPLACE
    assert held.audit().repaired == 1


def test_the_volume_itself_at_another_place_stays_it_with_all_that_is_on_it(held: World):
    held.volume("cold-1").rename(held.root / "moved")
    with held.opened() as stores:
        old = {record.spec.name: record.volume_id for record in stores.catalog.volumes()}
        record = replace_archive_volume(stores, "cold-1", "file:moved")
        assert record.volume_id == old["cold-1"]
        assert list(stores.catalog.flawed_shards()) == []
    assert last_action(held) == events.VOLUME_ADOPT
    assert held.audit().damaged == 0


def test_a_volume_on_another_device_is_vouched_for_by_the_operator(held: World):
    """What was recorded as a mount point is none any more: nothing is written there until somebody says so."""
    with held.opened() as stores:
        (record,) = [record for record in stores.catalog.volumes() if record.spec.name == "cold-1"]
        with stores.catalog.transaction() as step:
            step.record_volume(replace(record, device="fsid:0", is_mount=True))
    with held.opened() as stores:
        assert stores.volumes["cold-1"].probe() is VolumeState.UNMOUNTED
        assert replace_volume(stores, "cold-1", None).volume_id == record.volume_id
    with held.opened() as stores:
        assert stores.volumes["cold-1"].probe() is VolumeState.READY
    assert held.audit().damaged == 0


@pytest.mark.parametrize("place", ["another volume", "somebody's folder"])
def test_a_place_that_is_taken_is_refused_and_untouched(held: World, place: str):
    if place == "another volume":
        url = "file:cold-2"
    else:
        url = "file:mine"
        (held.root / "mine").mkdir()
        (held.root / "mine" / "notes.txt").write_text("mine")
    before = held.digest()
    settings = (held.root / "archive.yaml").read_text()
    with held.opened() as stores:
        size = stores.journal.size
        with pytest.raises(UsageError):
            replace_archive_volume(stores, "cold-1", url)
        assert stores.journal.size == size
    assert held.digest() == before
    assert (held.root / "archive.yaml").read_text() == settings


def test_a_replacement_that_was_killed_before_it_was_recorded_can_be_done_again(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    """The place has an identity that nobody knows: it is taken up, not refused as another volume's."""
    shutil.rmtree(held.volume("cold-1"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, held.opened() as stores:
        patch.setattr(commit, "append_locked", killed)
        with pytest.raises(KeyboardInterrupt):
            replace_volume(stores, "cold-1", None)
    with held.opened() as stores:
        identity = stores.volumes["cold-1"].identity()
        assert identity is not None
        assert replace_volume(stores, "cold-1", None).volume_id == identity.volume_id
    assert held.audit().repaired == 1
    assert held.audit().findings == []


def test_a_former_disk_of_that_name_is_not_taken_for_one_that_was_just_begun(held: World):
    """It has shards of its own time."""
    held.volume("cold-1").rename(held.root / "former")
    with held.opened() as stores:
        replace_volume(stores, "cold-1", None)
    shutil.rmtree(held.volume("cold-1"))
    with held.opened() as stores, pytest.raises(UsageError, match="another volume"):
        replace_volume(stores, "cold-1", "file:former")


@pytest.mark.parametrize("left", REPLICAS)
def test_with_one_replica_left_emptied_volumes_carry_the_others_again(held: World, left: str):
    """Four of five: more than is promised, and nothing is lost all the same but what only lay there."""
    for name in REPLICAS:
        if name != left:
            for path in held.volume(name).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    held.audit()
    second = held.audit()
    assert [finding for finding in second.findings if finding.shard is None] == []
    with held.opened() as stores:
        assert len(list(stores.catalog.studies())) == 2
        assert stores.journal.verify().problems == []
        assert len({path.read_bytes() for path in held.files(*REPLICAS, suffix=".envelopes")}) == 1


def test_an_unknown_volume_is_told(held: World):
    with held.opened() as stores, pytest.raises(NotFoundError, match="there is no volume cold-9"):
        replace_volume(stores, "cold-9", None)


def test_a_replaced_replica_takes_part_at_once(held: World):
    shutil.rmtree(held.volume("hot-b"))
    with held.opened() as stores:
        replace_volume(stores, "hot-b", None)
        stores.journal.settle()
        assert {path.name for path in (held.volume("hot-b") / "journal").iterdir()} == {
            path.name for path in (held.volume("hot-a") / "journal").iterdir()
        }
