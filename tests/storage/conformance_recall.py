"""The volume contract as a list of tests, continued: volumes that answer slowly."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta

import pytest

from retention.model.errors import NotReadyError, ObjectNotFoundError
from retention.storage.volume import RecallState, Urgency, Volume
from tests.storage.conformance import Place, opened
from tests.storage.places import KEY, OTHER_KEY, content, keys, put, sealed

KEEP = timedelta(days=2)


class SlowPlace(Place):
    """A place whose packages are archived, and where time can be made to pass."""

    @abstractmethod
    def wait_for(self, volume: Volume, key: str) -> None:
        """Let the time pass that a requested object needs to be ready."""

    @abstractmethod
    def wait(self, time: timedelta) -> None:
        """Let some time pass."""


class RecallConformance:
    """Packages are archived once published: there, listed, and readable only for a time after they were asked for."""

    @pytest.fixture
    def volume(self, place):
        return opened(place)

    def recalled(self, place, volume, keep=KEEP):
        put(volume)
        volume.recall(KEY, urgency=Urgency.ROUTINE, keep=keep)
        place.wait_for(volume, KEY)

    def test_what_is_published_is_archived_and_still_there(self, volume):
        put(volume)
        assert volume.availability(KEY).state is RecallState.ARCHIVED
        assert not volume.availability(KEY).is_readable
        assert volume.stat(KEY).size_bytes == 5
        assert keys(volume) == [KEY]
        with pytest.raises(NotReadyError) as refusal:
            volume.open(KEY)
        assert refusal.value.ready_at is None
        assert refusal.value.hint

    def test_what_was_just_published_can_be_proved(self, volume):
        with sealed(volume) as upload:
            upload.publish()
            volume.flush()
            reader = volume.read_back(upload)
            if reader is not None:
                with reader:
                    assert reader.read_at(0, 9) == b"bytes"
        assert volume.availability(KEY).state is RecallState.ARCHIVED

    def test_documents_answer_at_once(self, volume):
        volume.replace("keyring/root.json", b"now")
        assert content(volume, "keyring/root.json") == b"now"
        assert volume.availability("keyring/root.json").state is RecallState.ONLINE
        assert volume.recall("volume.json", urgency=Urgency.SOON, keep=KEEP).state is RecallState.ONLINE

    def test_an_object_asked_for_is_on_its_way(self, place, volume):
        put(volume)
        found = volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP)
        assert found.state is RecallState.REQUESTED
        assert found.ready_at is not None
        assert place.open().availability(KEY) == found
        with pytest.raises(NotReadyError) as refusal:
            volume.open(KEY, from_medium=True)
        assert refusal.value.ready_at == found.ready_at

    def test_it_is_readable_for_a_time_and_archived_again_after_it(self, place, volume):
        self.recalled(place, volume)
        found = volume.availability(KEY)
        assert found.state is RecallState.READY
        assert found.is_readable
        assert found.until_at is not None
        assert content(volume) == content(place.open(), from_medium=True) == b"bytes"
        place.wait(KEEP + timedelta(days=1))
        assert volume.availability(KEY).state is RecallState.ARCHIVED
        with pytest.raises(NotReadyError):
            volume.open(KEY)

    def test_it_can_be_asked_for_again(self, place, volume):
        self.recalled(place, volume)
        place.wait(KEEP + timedelta(days=1))
        assert volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP).state is RecallState.REQUESTED

    def test_asking_twice_is_asking_once(self, volume):
        put(volume)
        first = volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP)
        assert volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP) == first

    def test_what_is_ready_stays_so_for_longer_when_asked_again(self, place, volume):
        self.recalled(place, volume)
        before = volume.availability(KEY)
        place.wait(timedelta(days=1))
        after = volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP * 2)
        assert after.state is RecallState.READY
        assert after.until_at > before.until_at

    def test_what_is_ready_is_never_readable_for_less_long_than_was_said(self, place, volume):
        self.recalled(place, volume, KEEP * 4)
        before = volume.availability(KEY)
        assert volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP).until_at >= before.until_at

    def test_what_is_absent_is_not_archived(self, volume):
        with pytest.raises(ObjectNotFoundError):
            volume.availability(KEY)
        with pytest.raises(ObjectNotFoundError):
            volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP)

    def test_a_deleted_object_leaves_no_request_to_the_next_of_its_name(self, place, volume):
        self.recalled(place, volume)
        volume.delete(KEY)
        put(volume, KEY, b"anew")
        put(volume, OTHER_KEY)
        assert volume.availability(KEY).state is RecallState.ARCHIVED
