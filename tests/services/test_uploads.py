"""Shards on their way: a failing volume costs its own shard, too few end the package, and nothing stays behind."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from retention.model.errors import PlacementError, ReadBackError, StorageError, VolumeSuspectError
from retention.model.identifiers import PackageId
from retention.model.layout import ArchiveSettings, Protection, TierSpec
from retention.package.guard import protect
from retention.package.shard import Reference, read_reference
from retention.services.uploads import PackageUploads, ShardUpload, seal_and_publish
from retention.services.volumes import VolumeSet, shard_key
from retention.storage.memory import MemoryVolume
from retention.storage.state import VolumeState
from tests.package.conftest import PACKAGE, Built, MemoryShard, small_package
from tests.services.memory_world import volume

SESSION = "0123456789abcdef"
NAMES = tuple(f"cold-{number}" for number in range(1, 7))
COLD = TierSpec("cold", NAMES, Protection(4, 2), "fast", "ONLINE", accept_single_domain=True)


@pytest.fixture
def places() -> dict[str, MemoryVolume]:
    return {name: volume(name) for name in (*NAMES, "spare")}


@pytest.fixture
def volumes(places: dict[str, MemoryVolume]) -> Iterator[VolumeSet]:
    specs = {name: each.spec for name, each in places.items()}
    held = VolumeSet(places, ArchiveSettings("test", "", specs, {"cold": COLD}, {}))
    yield held
    held.close()


@pytest.fixture
def built() -> Built:
    return small_package(COLD.protection)


def begun(volumes: VolumeSet, states: dict[str, VolumeState] | None = None) -> PackageUploads:
    return PackageUploads.begin(volumes, COLD, states or volumes.states(), PACKAGE, SESSION)


def written(uploads: PackageUploads, built: Built) -> PackageUploads:
    for number, upload in uploads.uploads.items():
        upload.write(bytes(built.shards[number].data))
    return uploads


def finished(uploads: PackageUploads, volumes: VolumeSet, reference: Reference) -> None:
    seal_and_publish(uploads.uploads.values(), volumes)
    uploads.require_enough()
    uploads.read_back(reference)


def lying(places: dict[str, MemoryVolume]) -> list[str]:
    """Return everything of packages that lies anywhere, unfinished uploads too."""
    found = [key for each in places.values() for key in each.medium.seen if key.startswith("packages/")]
    return found + [name for each in places.values() for name in each.medium.incoming]


def test_every_shard_lies_on_its_own_volume_whole(places, volumes: VolumeSet, built: Built):
    uploads = written(begun(volumes), built)
    assert lying(places) != []
    assert not any(key.startswith("packages/") for each in places.values() for key in each.medium.seen)
    finished(uploads, volumes, built.reference)
    assert sorted(name for name, _ in uploads.objects()) == list(NAMES)
    for number, upload in uploads.sound().items():
        data = bytes(places[upload.volume].medium.durable[shard_key(PACKAGE, number, 0)])
        assert data == built.shards[number].data
        assert upload.size_bytes == len(data)
        assert read_reference(MemoryShard(data)).entry == built.tail.entry


@pytest.mark.parametrize("operation", ["begin", "write", "seal", "publish", "flush"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_volume_that_fails_costs_its_own_shard(
    places, volumes: VolumeSet, built: Built, operation: str, error: int
):
    places["cold-3"].faults.fail(operation, error=error)
    uploads = written(begun(volumes), built)
    finished(uploads, volumes, built.reference)
    assert sorted(name for name, _ in uploads.objects()) == [name for name in NAMES if name != "cold-3"]
    failed = [upload for upload in uploads.uploads.values() if upload.failure is not None]
    assert all(isinstance(upload.failure, StorageError) for upload in failed)
    # After a failed sync of names the volume takes no orders any more: what lies there is said to be left.
    assert uploads.is_left is (operation == "flush")
    assert len(lying(places)) == (6 if operation == "flush" else 5)


@pytest.mark.parametrize("operation", ["begin", "write", "seal", "publish"])
def test_with_too_few_left_the_package_is_refused_with_all_reasons_and_nothing_stays(
    places, volumes: VolumeSet, built: Built, operation: str
):
    places["cold-2"].faults.fail(operation, error=errno.ENOSPC)
    places["cold-5"].faults.fail(operation, error=errno.EROFS)
    with pytest.raises(PlacementError, match="only 4 of 6 shards could be written, 5 are needed") as refused:
        finished(written(begun(volumes), built), volumes, built.reference)
    assert "volume cold-2" in refused.value.message
    assert "volume cold-5" in refused.value.message
    assert refused.value.context["package"] == PACKAGE
    assert lying(places) == []


def test_what_is_not_given_back_as_written_does_not_count_and_is_removed(
    places, volumes: VolumeSet, built: Built
):
    places["cold-4"].medium.spoiled_uploads = 1
    uploads = written(begun(volumes), built)
    finished(uploads, volumes, built.reference)
    (failed,) = [upload for upload in uploads.uploads.values() if upload.failure is not None]
    assert isinstance(failed.failure, ReadBackError)
    assert "cold-4" in failed.failure.message
    assert len(lying(places)) == 5
    assert not uploads.is_left


def test_an_unknown_format_read_back_is_no_success(places, volumes: VolumeSet, built: Built):
    uploads = begun(volumes)
    for number, upload in uploads.uploads.items():
        data = bytearray(built.shards[number].data)
        if upload.volume == "cold-1":
            fields = bytearray(data[:159])
            fields[8] = 9
            data[:256] = protect(bytes(fields))
        upload.write(bytes(data))
    finished(uploads, volumes, built.reference)
    (failed,) = [upload for upload in uploads.uploads.values() if upload.failure is not None]
    assert isinstance(failed.failure, ReadBackError)


def test_reading_back_is_reading_from_the_medium(places, volumes: VolumeSet, built: Built):
    finished(written(begun(volumes), built), volumes, built.reference)
    assert [places[name].faults.calls["from_medium"] for name in NAMES] == [1] * 6


def test_a_volume_that_is_away_at_the_start_has_its_share_on_a_spare(
    places, volumes: VolumeSet, built: Built
):
    places["cold-1"].medium.is_missing = True
    uploads = written(begun(volumes), built)
    finished(uploads, volumes, built.reference)
    assert sorted(name for name, _ in uploads.objects()) == [*NAMES[1:], "spare"]


def test_too_many_open_files_are_no_reason_to_leave_shards_out(places, volumes: VolumeSet):
    places["cold-2"].faults.fail("begin", error=errno.EMFILE)
    with pytest.raises(StorageError, match="Too many open files") as refused:
        begun(volumes)
    assert "ulimit" in str(refused.value.hint)
    assert lying(places) == []


def test_a_volume_that_goes_away_after_the_look_at_it_is_a_debt(places, volumes: VolumeSet, built: Built):
    states = volumes.states()
    places["cold-1"].medium.is_missing = True
    uploads = begun(volumes, states)
    assert len(uploads.uploads) == 5
    finished(written(uploads, built), volumes, built.reference)


def test_nothing_more_is_asked_of_a_shard_that_has_failed(places, built: Built):
    place = places["cold-1"]
    upload = ShardUpload(place, shard_key(PACKAGE, 0, 0), SESSION)
    place.faults.fail("write")
    upload.write(b"bytes")
    first = upload.failure
    for step in (
        upload.start_write_out,
        upload.seal,
        upload.publish,
        lambda: upload.read_back(built.reference, 0),
    ):
        step()
    upload.fail(VolumeSuspectError("later"))
    assert upload.failure is first
    assert place.faults.calls["seal"] == place.faults.calls["publish"] == place.faults.calls["open"] == 0


def test_what_cannot_be_removed_is_said_until_it_can(places, volumes: VolumeSet, built: Built):
    uploads = written(begun(volumes), built)
    seal_and_publish(uploads.uploads.values(), volumes)
    places["cold-6"].faults.fail("delete")
    uploads.discard()
    assert uploads.is_left
    assert len(lying(places)) == 1
    uploads.discard()
    assert not uploads.is_left
    assert lying(places) == []


def test_an_object_of_that_name_that_was_there_before_is_not_ours_to_remove(
    places, volumes: VolumeSet, built: Built
):
    written_before = written(begun(volumes), built)
    finished(written_before, volumes, built.reference)
    again = written(begun(volumes), built)
    with pytest.raises(PlacementError, match="exists already"):
        finished(again, volumes, built.reference)
    assert len(lying(places)) == 6


def test_many_packages_share_their_syncs(places, volumes: VolumeSet):
    """Fifty packages cost one flush a volume, not fifty."""
    with ThreadPoolExecutor(4):
        uploads = [
            ShardUpload(places[name], shard_key(PackageId(f"{number:032x}"), 0, 0), SESSION)
            for number in range(50)
            for name in NAMES[:2]
        ]
        for upload in uploads:
            upload.write(b"bytes")
        seal_and_publish(uploads, volumes)
    assert [places[name].faults.calls["flush"] for name in NAMES[:3]] == [1, 1, 0]
    assert [places[name].faults.calls["seal"] for name in NAMES[:3]] == [50, 50, 0]
