"""The volume contract as a list of tests, continued: documents, what runs leave unfinished, appends, the reserve."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from retention.model.errors import (
    ObjectChangedError,
    ObjectNotFoundError,
    VolumeFullError,
    VolumeUnavailableError,
)
from tests.storage.conformance import LONG, MANY, opened
from tests.storage.places import KEY, OTHER_KEY, SESSION, content, keys, sealed


class DocumentConformance:
    """Documents are replaced whole; the unfinished goes with its session."""

    @pytest.fixture
    def volume(self, place):
        return opened(place)

    def test_a_document_is_replaced_whole(self, volume):
        volume.replace("keyring/root.json", b"one, long")
        volume.replace("keyring/root.json", b"two")
        assert content(volume, "keyring/root.json") == b"two"
        assert volume.incoming_sessions() == set()

    # sessions

    def test_the_unfinished_uploads_of_one_session_can_be_discarded(self, volume):
        mine = [sealed(volume, key, LONG, session="run1") for key in (KEY, OTHER_KEY)]
        other = sealed(volume, KEY, LONG, session="run2")
        assert volume.incoming_sessions() == {"run1", "run2"}
        assert volume.discard_incoming("run1") == 2
        assert volume.incoming_sessions() == {"run2"}
        for upload in mine:
            with pytest.raises(VolumeUnavailableError):
                upload.publish()
        other.publish()
        assert content(volume) == LONG
        assert volume.discard_incoming("run1") == 0


class AppendConformance:
    """Where objects can be appended to: at their end and nowhere else, by one of many."""

    @pytest.fixture
    def volume(self, place):
        return opened(place)

    def test_appending_makes_the_object_and_lengthens_it(self, volume):
        volume.append("journal/000000000000.envelopes", b"one\n", 0)
        volume.append("journal/000000000000.envelopes", b"two\n", 4)
        volume.append("journal/000000000000.envelopes", b"three\n")
        assert content(volume, "journal/000000000000.envelopes") == b"one\ntwo\nthree\n"

    @pytest.mark.parametrize("expected_size", [0, 3, 5])
    def test_an_append_that_expects_another_size_is_refused(self, volume, expected_size):
        volume.append("journal/x", b"four", 0)
        with pytest.raises(ObjectChangedError, match="4 bytes"):
            volume.append("journal/x", b"more", expected_size)
        assert content(volume, "journal/x") == b"four"

    def test_an_append_that_expects_bytes_makes_no_object(self, volume):
        with pytest.raises(ObjectChangedError):
            volume.append("journal/x", b"more", 1)
        assert keys(volume, "") == ["volume.json"]

    def test_of_appends_at_once_that_expect_the_same_size_one_succeeds(self, volume):
        volume.append("journal/x", b"0", 0)

        def append(number: int) -> bool:
            try:
                volume.append("journal/x", b"%d" % number * 100, 1)
            except ObjectChangedError:
                return False
            return True

        with ThreadPoolExecutor(MANY) as pool:
            assert sum(pool.map(append, range(MANY))) == 1
        assert volume.stat("journal/x").size_bytes == 101

    def test_an_absent_object_cannot_be_cut(self, volume):
        with pytest.raises(ObjectNotFoundError):
            volume.truncate("journal/x", 0)

    def test_cutting_shortens_and_never_lengthens(self, volume):
        volume.append("journal/x", b"whole torn")
        volume.truncate("journal/x", 5)
        volume.truncate("journal/x", 9)
        assert content(volume, "journal/x") == b"whole"


class SpaceConformance:
    """Where space ends: packages leave a reserve of it."""

    def test_packages_leave_the_reserve_which_documents_may_use(self, place):
        opened(place)
        volume = place.open(full=True)
        with volume.begin(KEY, SESSION) as upload, pytest.raises(VolumeFullError, match="cold-1"):
            upload.write(b"more than nothing")
        assert keys(volume) == []
        assert volume.incoming_sessions() == set()
        volume.append("journal/x", b"still possible", 0)
        assert 0 <= volume.free_bytes() <= volume.total_bytes()
