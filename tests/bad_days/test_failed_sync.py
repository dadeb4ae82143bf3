"""A sync that fails condemns its file and its volume; it is never tried again on the same descriptor and believed."""

from __future__ import annotations

import errno
import os
from collections import Counter

import pytest

from retention.catalog.records import ShardState
from retention.model.errors import PlacementError, StorageError, VolumeUnavailableError
from retention.services import institutions
from tests.bad_days.after import require_sound, require_whole_or_absent
from tests.services.instances import instance
from tests.services.world import COLD, HOT, REPLICAS, World

STUDY = "1.2.9.1"


class Syncs:
    """Fails the syncs of files below some folders, as a failing disk does: once, and then it says all is well."""

    def __init__(self, *folders: str) -> None:
        self.folders = folders
        self.failed: Counter[str] = Counter()
        self.repeated: list[str] = []
        self._condemned: set[tuple[str, int]] = set()

    def __call__(self, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if (path, descriptor) in self._condemned:
            self.repeated.append(path)
        for folder in self.folders:
            if folder in path:
                self.failed[folder] += 1
                self._condemned.add((path, descriptor))
                raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def sent(empty: World) -> World:
    empty.send(f"{STUDY}/1.dcm", instance(1, study=STUDY))
    with empty.opened() as stores:
        institutions.first_or_known(stores, empty.institution)
    return empty


def test_one_of_two_copies_is_a_debt_and_nothing_of_it_stays(sent: World, monkeypatch: pytest.MonkeyPatch):
    syncs = Syncs("hot-b/incoming")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", syncs)
        report = sent.ingest()
    assert (report.stored, report.write_debt) == (1, 1)
    assert sum(syncs.failed.values()) == 1
    assert syncs.repeated == []
    (package,) = sent.packages()
    assert sorted(str(shard.volume) for shard in package.shards) == ["None", "hot-a"]
    assert require_whole_or_absent(sent) == {STUDY}
    assert sent.audit().settled == 1
    require_sound(sent)


@pytest.mark.parametrize("volumes", [HOT, COLD[:2], COLD], ids="-".join)
def test_too_many_are_a_refusal_and_nothing_stays(
    sent: World, volumes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Syncs(*[f"{name}/incoming" for name in volumes]))
        report = sent.ingest(tier="hot" if volumes == HOT else "cold")
    assert report.stored == 0
    (failure,) = report.failures
    assert isinstance(failure, PlacementError)
    assert "could not be synced" in failure.message
    assert require_whole_or_absent(sent) == set()
    assert sent.ingest().stored == 1


def test_a_folder_that_cannot_be_synced_makes_what_was_published_there_worthless(
    sent: World, monkeypatch: pytest.MonkeyPatch
):
    """The name is seen, and may be gone after a power cut: it does not count, and the next start removes it."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Syncs("cold-2/packages"))
        report = sent.ingest(tier="cold")
    assert (report.stored, report.write_debt) == (1, 1)
    assert len(sent.shards("cold-2")) == 1
    assert len(list((sent.root / "sessions").iterdir())) == 1
    assert require_whole_or_absent(sent) == {STUDY}
    assert sent.shards("cold-2") == []
    assert sent.audit().settled == 1
    require_sound(sent)


def test_the_rest_of_the_run_does_without_a_volume_under_suspicion(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    for number in range(8):
        empty.send(f"1.2.9.{number}/1.dcm", instance(1, study=f"1.2.9.{number}"))
    syncs = Syncs("cold-4/incoming")
    monkeypatch.setattr("retention.services.ingest.ingest.GROUP_PACKAGES", 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", syncs)
        report = empty.ingest(tier="cold")
    assert (report.stored, report.write_debt) == (8, 8)
    assert syncs.failed["cold-4/incoming"] < 6  # what was under way when it happened
    states = [shard.state for package in empty.packages() for shard in package.shards]
    assert states.count(ShardState.UNPLACED) == 8
    assert empty.audit().settled == 8
    require_sound(empty)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_journal_replica_that_cannot_be_synced_does_not_count(
    sent: World, count: int, monkeypatch: pytest.MonkeyPatch
):
    sent.ingest()
    sent.send("1.2.9.2/1.dcm", instance(1, study="1.2.9.2"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Syncs(*[f"{name}/journal" for name in REPLICAS[:count]]))
        if count <= 3:
            assert sent.ingest().stored == 1
        else:
            with pytest.raises(StorageError) as refused:
                sent.ingest()
            assert isinstance(refused.value, VolumeUnavailableError)
    held = require_whole_or_absent(sent, {STUDY} if count > 3 else {STUDY, "1.2.9.2"})
    assert STUDY in held
    sent.ingest()
    require_sound(sent)


def test_a_repair_that_cannot_be_synced_keeps_the_old_shard(sent: World, monkeypatch: pytest.MonkeyPatch):
    sent.ingest(tier="cold")
    (shard,) = sent.shards("cold-6")
    data = bytearray(shard.read_bytes())
    data[300] ^= 1
    shard.write_bytes(bytes(data))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Syncs("cold-6/incoming"))
        report = sent.audit()
    assert (report.damaged, report.repaired) == (1, 0)
    assert "could not be synced" in report.findings[0].detail
    assert shard.exists()
    assert sent.audit().repaired == 1
    require_sound(sent)
