"""The memory driver keeps the contract, leaves after a power cut what a disk must leave, and breaks on order."""

from __future__ import annotations

import errno

import pytest

from retention.model.errors import (
    ObjectNotFoundError,
    ObjectUnreadableError,
    StorageError,
    VolumeFullError,
    VolumeSuspectError,
    VolumeUnavailableError,
)
from retention.storage.identity import DeviceRecord, VolumeIdentity
from retention.storage.memory import MemoryVolume
from retention.storage.memory_medium import Medium
from retention.storage.state import VolumeState
from tests.storage.conformance import ObjectConformance, Place
from tests.storage.conformance_documents import AppendConformance, DocumentConformance, SpaceConformance
from tests.storage.conformance_identity import IdentityConformance
from tests.storage.places import KEY, OTHER_KEY, SESSION, content, identity, keys, put, sealed, spec


class MemoryPlace(Place):
    def __init__(self) -> None:
        self.medium = Medium()

    def open(
        self,
        *,
        expected: VolumeIdentity | None = None,
        recorded: DeviceRecord | None = None,
        full: bool = False,
    ) -> MemoryVolume:
        return MemoryVolume(
            spec(),
            expected=expected,
            recorded=recorded,
            medium=self.medium,
            reserve_bytes=self.medium.capacity_bytes if full else 0,
        )

    def damage(self, key: str, data: bytes | None) -> None:
        self.medium.damage(key, data)

    def vanish(self) -> None:
        self.medium.is_missing = True


@pytest.fixture
def place():
    return MemoryPlace()


@pytest.fixture
def volume():
    volume = MemoryVolume(spec())
    volume.initialise(identity())
    return volume


class TestObjects(ObjectConformance):
    pass


class TestDocuments(DocumentConformance):
    pass


class TestAppends(AppendConformance):
    pass


class TestSpace(SpaceConformance):
    pass


class TestIdentity(IdentityConformance):
    pass


# a power cut


def test_what_was_flushed_survives_a_power_cut(volume):
    put(volume)
    volume.crash()
    assert content(volume) == b"bytes"
    assert volume.probe() is VolumeState.READY


@pytest.mark.parametrize("kept", [(), (KEY,), (OTHER_KEY,), (KEY, OTHER_KEY)])
def test_of_what_was_published_and_not_flushed_any_names_may_survive_whole(volume, kept):
    for key in (KEY, OTHER_KEY):
        sealed(volume, key).publish()
    volume.crash(keep=kept)
    assert keys(volume) == sorted(kept)
    assert all(content(volume, key) == b"bytes" for key in kept)


def test_an_upload_under_way_ends_and_its_file_waits_to_be_discarded(volume):
    upload, whole = volume.begin(KEY, SESSION), sealed(volume, OTHER_KEY)
    upload.write(b"half")
    volume.crash()
    for use in (lambda: upload.write(b"more"), upload.seal, whole.publish):
        with pytest.raises(VolumeUnavailableError):
            use()
    upload.abort()
    assert volume.incoming_sessions() == {SESSION}
    assert volume.discard_incoming(SESSION) == 2
    assert keys(volume) == []


def test_documents_and_deletions_are_durable_at_once(volume):
    put(volume)
    volume.append("journal/x", b"one")
    volume.replace("note", b"two")
    volume.delete(KEY)
    volume.truncate("journal/x", 2)
    volume.crash()
    assert keys(volume, "") == ["journal/x", "note", "volume.json"]
    assert content(volume, "journal/x") == b"on"


def test_a_device_that_ignores_syncs_loses_what_it_confirmed(volume):
    volume.medium.ignores_sync = True
    put(volume)
    volume.crash()
    with pytest.raises(ObjectNotFoundError):
        volume.stat(KEY)


# a failing medium


def test_objects_can_be_damaged(volume):
    put(volume, KEY, b"bytes")
    volume.flip(KEY, 1, mask=0x80)
    assert content(volume) == b"b\xf9tes"
    volume.cut(KEY, 2)
    volume.crash()
    assert content(volume) == b"b\xf9"
    volume.lose(KEY)
    assert keys(volume) == []
    assert volume.free_bytes() == volume.total_bytes() - len(identity().encode())
    volume.lose()
    assert volume.probe() is VolumeState.EMPTIED


def test_the_medium_can_keep_an_upload_wrongly_which_is_seen_when_it_is_read_from_there(volume):
    volume.medium.spoiled_uploads = 1
    put(volume, KEY)
    put(volume, OTHER_KEY)
    assert content(volume, KEY) == b"bytes"
    assert content(volume, KEY, from_medium=True) == b"cytes"
    assert content(volume, KEY) == b"cytes"
    assert content(volume, OTHER_KEY, from_medium=True) == b"bytes"


def test_a_power_cut_and_new_bytes_make_memory_forget_what_was_written(volume):
    volume.medium.spoiled_uploads = 2
    put(volume, KEY)
    volume.crash()
    assert content(volume, KEY) == b"cytes"
    put(volume, OTHER_KEY)
    volume.delete(OTHER_KEY)
    put(volume, OTHER_KEY, b"anew")
    assert content(volume, OTHER_KEY) == b"anew"


def test_a_full_medium_takes_no_more_and_gives_room_back():
    volume = MemoryVolume(spec(), medium=Medium(capacity_bytes=1000))
    volume.initialise(identity())
    free_bytes = volume.free_bytes()
    with volume.begin(KEY, SESSION) as upload:
        upload.write(bytes(free_bytes))
        with pytest.raises(VolumeFullError):
            upload.write(b"x")
        with pytest.raises(VolumeFullError):
            volume.append("journal/x", b"x")
    assert volume.free_bytes() == free_bytes
    put(volume)
    volume.delete(KEY)
    assert volume.free_bytes() == free_bytes


# faults on order

USES = {
    "begin": lambda volume: volume.begin(OTHER_KEY, SESSION),
    "write": lambda volume: volume.begin(OTHER_KEY, SESSION).write(b"x"),
    "publish": lambda volume: sealed(volume, OTHER_KEY).publish(),
    "open": lambda volume: volume.open(KEY),
    "stat": lambda volume: volume.stat(KEY),
    "list": lambda volume: volume.list(),
    "delete": lambda volume: volume.delete(KEY),
    "replace": lambda volume: volume.replace("note", b"x"),
    "append": lambda volume: volume.append("journal/x", b"x"),
    "truncate": lambda volume: volume.truncate(KEY, 1),
}


@pytest.mark.parametrize("operation", USES)
def test_an_operation_fails_as_ordered_and_then_works(volume, operation):
    put(volume)
    volume.faults.fail(operation)
    with pytest.raises(VolumeUnavailableError):
        USES[operation](volume)
    assert volume.faults.struck == 1
    USES[operation](volume)
    volume.faults.fail(operation, error=errno.ENOSPC, forever=True)
    for _ in range(2):
        with pytest.raises(VolumeFullError):
            USES[operation](volume)
    volume.faults.heal()
    put(volume, "packages/00/healed")


def test_the_nth_call_from_now_on_can_be_chosen(volume):
    put(volume)
    volume.faults.fail("stat", nth=3)
    assert [stat_fails(volume) for _ in range(5)] == [False, False, True, False, False]


def stat_fails(volume):
    try:
        volume.stat(KEY)
    except StorageError:
        return True
    return False


def test_reading_may_fail_at_a_place_of_an_object(volume):
    put(volume)
    volume.faults.fail("read")
    with volume.open(KEY) as reader, pytest.raises(ObjectUnreadableError):
        reader.read_at(0, 1)


@pytest.mark.parametrize(
    ("operation", "use"),
    [
        ("seal", sealed),
        ("flush", put),
        ("sync", USES["replace"]),
        ("sync", USES["append"]),
        ("sync", lambda volume: volume.delete_many([KEY])),
    ],
    ids=["seal", "flush", "replace", "append", "delete"],
)
def test_a_failed_sync_makes_the_volume_suspect(volume, operation, use):
    volume.faults.fail(operation)
    with pytest.raises(VolumeSuspectError, match="condemned"):
        use(volume)
    assert volume.is_suspect
    assert volume.probe() is VolumeState.SUSPECT
    for later in (volume.flush, lambda: volume.begin(KEY, SESSION), lambda: volume.append("journal/x", b"x")):
        with pytest.raises(VolumeSuspectError):
            later()
    assert keys(volume, "journal/") in ([], ["journal/x"])


def test_a_replacement_whose_sync_failed_left_the_old_document(volume):
    volume.replace("note", b"old")
    volume.faults.fail("sync")
    with pytest.raises(VolumeSuspectError):
        volume.replace("note", b"new")
    volume.crash()
    assert content(volume, "note") == b"old"


def test_a_torn_append_leaves_its_beginning(volume):
    volume.append("journal/x", b"whole\n")
    volume.faults.fail("append", torn_bytes=3)
    with pytest.raises(VolumeUnavailableError):
        volume.append("journal/x", b"torn\n", 6)
    volume.crash()
    assert content(volume, "journal/x") == b"whole\ntor"


def test_failing_each_call_in_turn_reaches_every_step_of_an_upload(volume):
    """The loop that callers use: no call is missed, and none leaves half an object."""
    for nth in range(1, 20):
        key = f"packages/00/{nth}"
        volume.faults.fail(nth=nth)
        try:
            put(volume, key)
        except StorageError:
            volume.crash()
        volume.faults.heal()
        volume.discard_incoming(SESSION)
        assert [content(volume, found) for found in keys(volume, key)] in ([], [b"bytes"])
        if volume.faults.struck < nth:
            break
    assert nth == 6  # begin, write, seal, publish, flush, and the first call that met none
    assert volume.faults.calls["flush"] == 2


def test_reading_from_the_medium_is_counted(volume):
    put(volume)
    volume.open(KEY, from_medium=True)
    volume.open(KEY)
    assert volume.faults.calls["open"] == 2
    assert volume.faults.calls["from_medium"] == 1


def test_a_read_only_medium_is_read(volume):
    put(volume)
    volume.medium.is_read_only = True
    assert volume.probe() is VolumeState.READ_ONLY
    with pytest.raises(VolumeUnavailableError, match="read-only"):
        volume.begin(OTHER_KEY, SESSION)
    assert content(volume) == b"bytes"
