"""The volume contract as a list of tests. A driver passes it by subclassing both classes with a `place` of its own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retention.model.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
)
from retention.storage.identity import DeviceRecord, VolumeIdentity
from retention.storage.volume import Volume
from tests.storage.places import KEY, OTHER_KEY, SESSION, content, identity, keys, put, sealed

MANY = 8
# Longer than what an upload lets the medium begin with at a time, and not a multiple of it.
LONG = bytes(range(256)) * (9 << 12) + b"tail"
# No key is a folder of another: a file system could not hold both.
NAMES = (
    st.lists(st.sampled_from("abc-._0"), min_size=1, max_size=3).map("".join).filter(lambda it: it[0] != ".")
)
KEYS = st.lists(NAMES, min_size=1, max_size=3).map(
    lambda folders: "/".join(f"{name}-" for name in folders) + "/x"
)
# All examples of a law may use the same place, since each makes of it what it needs; and a law is one for all drivers.
ON_ONE_PLACE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)


class Place(ABC):
    """Where one driver keeps one volume, and what can happen to it."""

    name = "cold-1"
    examples: int | None = None
    """How many examples of a law are enough here; None: as many as come. A service far away is asked fewer."""

    def has_seen_enough(self) -> bool:
        if self.examples is None:
            return False
        self.examples -= 1
        return self.examples < 0

    @abstractmethod
    def open(
        self,
        *,
        expected: VolumeIdentity | None = None,
        recorded: DeviceRecord | None = None,
        full: bool = False,
    ) -> Volume:
        """Open the volume at this place, initialised or not; `full`: only the reserve is left on it."""

    @abstractmethod
    def damage(self, key: str, data: bytes | None) -> None:
        """Put other bytes in an object's place, or none, behind the driver's back."""

    @abstractmethod
    def vanish(self) -> None:
        """Take the whole place away."""


def opened(place: Place) -> Volume:
    """Open the place as an initialised volume (hypothesis runs many examples on one place)."""
    volume = place.open()
    volume.initialise(identity())
    return volume


class ObjectConformance:
    """Objects: put once, whole or absent, read in ranges, listed in order; documents: replaced, appended to, cut."""

    @pytest.fixture
    def volume(self, place: Place) -> Volume:
        volume = place.open()
        volume.initialise(identity())
        return volume

    # put once

    def test_nothing_is_visible_before_it_is_published(self, volume):
        with sealed(volume) as upload:
            assert keys(volume, "") == ["volume.json"]
            with pytest.raises(ObjectNotFoundError):
                volume.stat(KEY)
            upload.publish()
            assert keys(volume) == [KEY]

    def test_what_is_published_reads_as_it_was_written(self, volume):
        put(volume, KEY, LONG)
        assert volume.stat(KEY).size_bytes == len(LONG)
        assert content(volume) == LONG
        with volume.open(KEY, from_medium=True) as reader:
            assert reader.read_at(0, len(LONG)) == LONG

    def test_an_object_may_be_empty(self, volume):
        put(volume, KEY, b"")
        assert volume.stat(KEY).size_bytes == 0
        assert content(volume) == b""

    def test_a_second_object_of_the_same_key_is_refused_and_the_first_one_stays(self, volume):
        first, second = sealed(volume, KEY, b"first"), sealed(volume, KEY, b"second")
        first.publish()
        with pytest.raises(ObjectExistsError), second:
            second.publish()
        assert content(volume) == b"first"
        assert volume.incoming_sessions() == set()

    def test_of_many_that_publish_one_key_at_once_exactly_one_succeeds(self, volume):
        uploads = [sealed(volume, KEY, bytes([number])) for number in range(MANY)]
        start = threading.Barrier(MANY)

        def publish(number: int) -> int | None:
            start.wait()
            try:
                uploads[number].publish()
            except ObjectExistsError:
                return None
            return number

        with ThreadPoolExecutor(MANY) as pool:
            (winner,) = [number for number in pool.map(publish, range(MANY)) if number is not None]
        assert content(volume) == bytes([winner])

    def test_many_threads_store_many_objects_at_once(self, volume):
        def store(number: int) -> None:
            for part in range(5):
                key = f"packages/{part:02x}/{number}.shard"
                put(volume, key, key.encode() * 1000)

        with ThreadPoolExecutor(MANY) as pool:
            list(pool.map(store, range(MANY)))
        found = keys(volume)
        assert len(found) == MANY * 5
        assert all(content(volume, key) == key.encode() * 1000 for key in found)

    def test_an_upload_left_without_publishing_leaves_nothing(self, volume):
        with volume.begin(KEY, SESSION) as upload:
            upload.write(b"half")
        with sealed(volume) as upload:
            pass
        upload.abort()
        assert volume.incoming_sessions() == set()
        assert keys(volume) == []

    def test_aborting_after_publishing_does_nothing(self, volume):
        put(volume)
        assert content(volume) == b"bytes"

    def test_steps_out_of_order_are_bugs(self, volume):
        upload = volume.begin(KEY, SESSION)
        with pytest.raises(RuntimeError):
            upload.publish()
        upload.seal()
        for step in (upload.seal, upload.start_write_out, lambda: upload.write(b"late")):
            with pytest.raises(RuntimeError):
                step()
        upload.publish()
        with pytest.raises(RuntimeError):
            upload.publish()

    @ON_ONE_PLACE
    @given(pieces=st.lists(st.binary(max_size=300), max_size=9), together=st.booleans())
    def test_pieces_arrive_in_order_and_whole(self, place, pieces, together):
        if place.has_seen_enough():
            return
        volume = opened(place)
        volume.delete_many([KEY])
        with volume.begin(KEY, SESSION) as upload:
            buffers = [bytearray(piece) for piece in pieces]
            if together:
                upload.write(*[memoryview(buffer) for buffer in buffers])
            else:
                for buffer in buffers:
                    upload.write(buffer)
            upload.start_write_out()
            for buffer in buffers:
                buffer[:] = bytes(len(buffer))
            upload.seal()
            assert upload.size_bytes == len(b"".join(pieces))
            upload.publish()
        assert content(volume) == b"".join(pieces)

    def test_thousands_of_pieces_can_be_written_at_once(self, volume):
        with volume.begin(KEY, SESSION) as upload:
            upload.write(*[b"%d," % number for number in range(3000)])
            upload.seal()
            upload.publish()
        assert content(volume) == b"".join(b"%d," % number for number in range(3000))

    @ON_ONE_PLACE
    @given(offset=st.integers(0, 40), length=st.integers(0, 40), from_medium=st.booleans())
    def test_any_range_reads_as_that_slice(self, place, offset, length, from_medium):
        if place.has_seen_enough():
            return
        volume, data = opened(place), bytes(range(30))
        if not keys(volume):
            put(volume, KEY, data)
        with volume.open(KEY, from_medium=from_medium) as reader:
            assert reader.read_at(offset, length) == data[offset : offset + length]

    def test_what_was_just_published_is_read_back(self, volume):
        with sealed(volume) as upload:
            upload.publish()
            volume.flush()
            with volume.read_back(upload) as reader:
                assert reader.read_at(0, 9) == b"bytes"

    # listing and deleting

    @ON_ONE_PLACE
    @given(
        made=st.sets(KEYS, max_size=8), prefix=st.one_of(st.just(""), KEYS.map(lambda key: key[:-2]), NAMES)
    )
    def test_listing_gives_every_key_of_a_prefix_in_order(self, place, made, prefix):
        if place.has_seen_enough():
            return
        volume = opened(place)
        volume.delete_many([key for key in keys(volume, "") if key != "volume.json"])
        for key in made:
            put(volume, key, key.encode())
        expected = sorted(key for key in {*made, "volume.json"} if key.startswith(prefix))
        found = list(volume.list(prefix))
        assert [each.key for each in found] == expected
        assert all(each.size_bytes == len(each.key) for each in found if each.key != "volume.json")

    def test_unfinished_uploads_are_not_listed(self, volume):
        with sealed(volume):
            assert keys(volume, "") == ["volume.json"]

    def test_a_deleted_object_is_gone_and_its_key_free(self, volume):
        put(volume)
        volume.delete(KEY)
        with pytest.raises(ObjectNotFoundError):
            volume.open(KEY)
        put(volume, KEY, b"anew")
        assert content(volume) == b"anew"

    def test_an_absent_object_cannot_be_deleted_or_read(self, volume):
        for use in (volume.delete, volume.open, volume.stat):
            with pytest.raises(ObjectNotFoundError):
                use(KEY)

    def test_deleting_many_ignores_those_that_are_gone_already(self, volume):
        put(volume, KEY)
        put(volume, OTHER_KEY)
        assert volume.delete_many([KEY, OTHER_KEY, "packages/00/none.shard"]) == 2
        assert volume.delete_many([KEY]) == 0
        assert keys(volume) == []

    def test_a_reader_keeps_what_it_opened(self, volume):
        put(volume)
        with volume.open(KEY) as reader:
            volume.delete(KEY)
            assert reader.read_at(0, 5) == b"bytes"

    # names

    @pytest.mark.parametrize(
        "key",
        [
            *[".", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".a", "a/.b", "A", "a\\b", "é"],
            *["a/b/c/d/e/f/g", "incoming", "incoming/a", "format.MD"],
            *["", "a b", "a\n", "x" * 201],
        ],
    )
    def test_only_keys_name_objects(self, volume, key):
        for use in (volume.stat, volume.open, volume.delete, lambda it: volume.begin(it, SESSION)):
            with pytest.raises(ValueError, match="not a key"):
                use(key)

    @pytest.mark.parametrize("key", ["FORMAT.md", "recover.py", "a/b/c/d/e/f", "x" * 200, KEY])
    def test_these_are_keys(self, volume, key):
        put(volume, key)
        assert keys(volume, key) == [key]

    @pytest.mark.parametrize("session", ["", "A", "a-b", "../x", "x" * 41])
    def test_only_sessions_own_uploads(self, volume, session):
        with pytest.raises(ValueError, match="not a session"):
            volume.begin(KEY, session)

    @pytest.mark.parametrize("change", ["replace", "append", "truncate"])
    def test_the_identity_file_is_no_document(self, volume, change):
        with pytest.raises(ValueError, match=r"volume\.json"):
            getattr(volume, change)("volume.json", b"" if change != "truncate" else 0)
