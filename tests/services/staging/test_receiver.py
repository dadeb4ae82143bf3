"""What was acknowledged is on two volumes, encrypted, and found by whoever looks."""

import errno
import os
import threading

import pytest

from retention.model.errors import InvalidDicomError, StorageError, VolumeFullError
from retention.model.layout import StagingSpec
from retention.services.staging import log as log_module
from retention.services.staging import places
from retention.services.staging import receiver as receiving_module
from retention.services.staging.closer import Closer
from retention.services.staging.log import StagingLog
from retention.storage.directory import DirectoryVolume
from tests.services.instances import instance
from tests.services.staging.received import close_all, logs, receiving, staged, take
from tests.services.world import contents, until


def test_an_acknowledged_instance_is_in_equal_logs_on_two_volumes(empty):
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        copies = empty.files("hot-a", "hot-b", suffix=".log")
        assert [path.parents[1].name for path in copies] == ["hot-a", "hot-b"]
        assert copies[0].read_bytes() == copies[1].read_bytes()
        assert [each.sop_instance_uid for each in staged(empty)] == ["1.2.840.99.1.1.1"]


def test_nothing_of_a_patient_lies_in_clear(empty):
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
    for path in empty.files(suffix=".log"):
        data = path.read_bytes()
        assert b"DOE^JANE" not in data
        assert b"1.2.840.99.1" not in data


def test_what_arrives_together_is_written_with_one_sync_a_volume(empty, monkeypatch):
    monkeypatch.setattr(receiving_module, "WRITERS", 1)
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        began, go_on = threading.Event(), threading.Event()
        appends = []
        real = StagingLog.append

        def slow(log, frames):
            appends.append(len(frames))
            began.set()
            go_on.wait(10)
            real(log, frames)

        monkeypatch.setattr(StagingLog, "append", slow)
        senders = [threading.Thread(target=take, args=(stores, receiver, instance(n))) for n in range(2, 8)]
        senders[0].start()
        began.wait(10)
        for sender in senders[1:]:
            sender.start()
        while len(receiver._queue) < 5:
            pass
        go_on.set()
        for sender in senders:
            sender.join()
        assert appends == [1, 5]
    assert len(staged(empty)) == 7


def test_a_large_instance_gets_a_log_of_its_own_and_is_read_in_parts(empty, monkeypatch):
    monkeypatch.setattr(receiving_module, "PART_BYTES", 3000)
    large = instance(1, rows=64)
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, large, piece=1000)
        take(stores, receiver, instance(2))
    (first, second) = sorted(staged(empty), key=lambda each: -each.size_bytes)
    assert len(first.places) > 1
    assert first.log != second.log
    assert first.size_bytes == len(large)


def test_what_cannot_be_identified_is_refused_and_not_kept(empty):
    with receiving(empty) as (stores, receiver), pytest.raises(InvalidDicomError):
        take(stores, receiver, bytes(128) + b"DICM" + bytes(50))
    assert staged(empty) == []


def test_a_failing_volume_is_left_and_another_takes_its_place(empty, monkeypatch):
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        failed: list[int] = []

        def fail_once(descriptor):
            if not failed:
                failed.append(descriptor)
                raise OSError(5, "broken")

        monkeypatch.setattr(os, "fsync", fail_once)
        take(stores, receiver, instance(2))
        monkeypatch.setattr(os, "fsync", lambda _: None)
    found = {each.sop_instance_uid for each in staged(empty)}
    assert found == {"1.2.840.99.1.1.1", "1.2.840.99.1.1.2"}
    assert any(path.name.endswith("-000001.log") for path in empty.files("cold-1"))


def test_without_two_volumes_with_room_nothing_is_acknowledged(empty, monkeypatch):
    monkeypatch.setattr(places, "has_room", lambda volume: volume.name == "hot-a")
    with receiving(empty) as (stores, receiver), pytest.raises(StorageError):
        take(stores, receiver, instance(1))
    assert staged(empty) == []


def test_a_log_is_closed_when_nothing_new_comes(empty, monkeypatch):
    monkeypatch.setattr(receiving_module, "IDLE_S", 0.01)
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        for _ in range(1000):
            if threading.Event().wait(0.01) or _has_ended(empty):
                break
        assert _has_ended(empty)
        take(stores, receiver, instance(2))
        assert len(logs(empty)) == 2


def _has_ended(world):
    from retention.services.staging.index import StagedIndex

    with world.opened(to_write=False) as stores:
        index = StagedIndex(stores)
        index.refresh()
        return any(log.is_ended for log in index.logs.values())


def test_a_log_that_met_a_full_disk_is_ended_and_goes_when_it_is_packed_while_its_writer_lives(
    empty, monkeypatch
):
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        with monkeypatch.context() as full:
            full.setattr(log_module, "has_room", lambda _volume: False)
            full.setattr(places, "has_room", lambda _volume: False)
            with pytest.raises(VolumeFullError):
                take(stores, receiver, instance(2))
        assert Closer(stores, StagingSpec()).close_all().instances == 1
        assert logs(empty) == []
        take(stores, receiver, instance(3))
    assert len(staged(empty)) == 1


@pytest.mark.parametrize("rows", [16, 1500], ids=["shared", "its own"])
def test_what_a_disk_that_filled_up_took_half_is_cut_off_and_its_log_goes(empty, monkeypatch, rows):
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        append = DirectoryVolume._append_to

        def torn(volume, descriptor, data, size):
            append(volume, descriptor, data[: len(data) // 2] if volume.name != "hot-a" else data, size)
            if volume.name != "hot-a":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as full:
            full.setattr(DirectoryVolume, "_append_to", torn)
            with pytest.raises(VolumeFullError):
                take(stores, receiver, instance(2, rows=rows))
        take(stores, receiver, instance(3))  # a success, and the log before is ended at the latest
        assert until(lambda: not receiver._unended)
        Closer(stores, StagingSpec()).close_all()
        left = {path.rpartition(".")[0] for path in logs(empty)}
        assert len(left) == 1  # the one that is being written
    assert set(contents(empty.export())) == {instance(1), instance(3)}
    assert close_all(empty).failures == []
    assert logs(empty) == []
