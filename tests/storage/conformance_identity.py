"""The volume contract as a list of tests, continued: whose place it is."""

from __future__ import annotations

import pytest

from retention.model.errors import (
    UsageError,
    VolumeUnavailableError,
)
from retention.storage.identity import DeviceRecord
from retention.storage.state import VolumeState
from retention.storage.volume import Volume
from tests.storage.conformance import opened
from tests.storage.places import KEY, OTHER_KEY, SESSION, content, identity, keys, put


class IdentityConformance:
    """Whose place it is: nothing is written unless this is the volume that is meant."""

    def test_a_new_place_becomes_the_volume(self, place):
        volume = place.open()
        assert volume.probe() is not VolumeState.READY
        volume.initialise(identity())
        assert volume.probe() is VolumeState.READY
        assert volume.identity() == identity()
        assert place.open().probe() is VolumeState.READY

    def test_initialising_twice_changes_nothing(self, place):
        record = opened(place).initialise(identity())
        put(place.open())
        assert place.open().initialise(identity()) == record
        assert keys(place.open()) == [KEY]

    def test_a_place_that_is_another_volume_is_not_initialised(self, place):
        opened(place)
        with pytest.raises(UsageError):
            place.open().initialise(identity(volume="c"))

    def test_a_place_that_is_not_empty_is_not_initialised(self, place):
        put(opened(place))
        place.damage("volume.json", None)
        with pytest.raises(UsageError, match="not empty"):
            place.open().initialise(identity())

    @pytest.mark.parametrize(
        "other",
        [identity(volume="c"), identity(archive="c"), identity("cold-2")],
        ids=["volume", "archive", "name"],
    )
    def test_another_volume_in_its_place_is_neither_written_nor_read(self, place, other):
        put(opened(place))
        volume = place.open(expected=other)
        assert volume.probe() is VolumeState.WRONG
        refuses(volume, reading=True)
        with pytest.raises(VolumeUnavailableError):
            volume.adopt(other, on_this_device=True)

    def test_an_identity_lost_on_the_recorded_device_is_damage(self, place):
        record = opened(place).device()
        put(place.open())
        place.damage("volume.json", None)
        volume = place.open(expected=identity(), recorded=record)
        assert volume.probe() is VolumeState.EMPTIED
        refuses(volume, reading=False)
        assert content(volume) == b"bytes"
        assert volume.adopt(identity()) == record
        assert volume.probe() is VolumeState.READY
        put(volume, OTHER_KEY)
        assert keys(volume) == [KEY, OTHER_KEY]

    def test_an_identity_lost_while_the_volume_is_open_is_noticed_at_the_next_write(self, place):
        volume = opened(place)
        put(volume)
        place.damage("volume.json", None)
        refuses(volume, reading=False)
        assert volume.probe() is VolumeState.EMPTIED

    def test_a_flipped_bit_in_the_identity_is_damage_and_not_another_volume(self, place):
        record = opened(place).device()
        sound = identity().encode()
        for offset in range(0, len(sound), 7):
            place.damage("volume.json", flipped(sound, offset))
            assert place.open(expected=identity(), recorded=record).probe() is VolumeState.EMPTIED
        place.open(expected=identity(), recorded=record).adopt(identity())
        assert place.open(expected=identity()).probe() is VolumeState.READY

    @pytest.mark.parametrize("recorded", [None, DeviceRecord("fsid:other", is_mount=False)])
    def test_without_identity_a_device_that_is_not_the_recorded_one_is_left_alone(self, place, recorded):
        opened(place)
        place.damage("volume.json", None)
        volume = place.open(expected=identity(), recorded=recorded)
        assert volume.probe() is VolumeState.UNMOUNTED
        refuses(volume, reading=True)
        with pytest.raises(VolumeUnavailableError):
            volume.adopt(identity())
        volume.adopt(identity(), on_this_device=True)
        assert volume.probe() is VolumeState.READY

    def test_what_was_a_mount_point_must_be_one(self, place):
        record = opened(place).device()
        volume = place.open(expected=identity(), recorded=DeviceRecord(record.device, is_mount=True))
        assert volume.probe() is VolumeState.UNMOUNTED
        refuses(volume, reading=True)

    def test_a_volume_that_moved_to_another_device_with_its_identity_is_the_volume(self, place):
        opened(place)
        moved = place.open(expected=identity(), recorded=DeviceRecord("fsid:before", is_mount=False))
        assert moved.probe() is VolumeState.READY

    def test_a_place_that_is_gone_is_missing_and_not_merely_empty(self, place):
        volume = opened(place)
        put(volume)
        place.vanish()
        assert volume.probe() is VolumeState.MISSING
        refuses(volume, reading=True)
        with pytest.raises(VolumeUnavailableError):
            volume.device()
        with pytest.raises(VolumeUnavailableError):
            volume.adopt(identity(), on_this_device=True)


def flipped(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


def refuses(volume: Volume, *, reading: bool) -> None:
    """Everything that writes (and, if so said, reads) is refused with a hint, and nothing is left behind."""
    writes = [
        lambda: volume.begin(OTHER_KEY, SESSION),
        lambda: volume.delete(KEY),
        lambda: volume.replace("note", b"x"),
        lambda: volume.append("note", b"x"),
        lambda: volume.truncate("note", 0),
        lambda: volume.discard_incoming(SESSION),
    ]
    reads = [
        lambda: volume.open(KEY),
        lambda: volume.stat(KEY),
        volume.list,
        volume.incoming_sessions,
    ]
    for use in writes + (reads if reading else []):
        with pytest.raises(VolumeUnavailableError) as refusal:
            use()
        assert refusal.value.hint
        assert refusal.value.context["volume"] == volume.name
