"""Object Lock on a real service: locked when published, renewed in time, never beyond what must be kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from retention.model.errors import (
    ObjectLockedError,
    ObjectNotFoundError,
    UsageError,
    VolumeUnavailableError,
)
from retention.model.layout import ObjectLockSpec, S3Spec
from retention.storage.s3_lock import LockState
from tests.storage.buckets import BucketPlace
from tests.storage.clocks import ShiftedClock
from tests.storage.conformance import LONG, opened
from tests.storage.places import KEY, OTHER_KEY, content, keys, put
from tests.storage.s3_proxy import Faults, Proxy, Reply

DAY = timedelta(days=1)
MOMENT = timedelta(seconds=5)


def locking(endpoint: str, window: timedelta, mode: str = "COMPLIANCE", **more) -> BucketPlace:
    s3 = S3Spec(object_lock=ObjectLockSpec(mode, window))
    return BucketPlace(endpoint, s3, locks=True, **more)


def lock_of(volume, key: str = KEY) -> LockState:
    return LockState.of(volume.bucket.head(key))


def locked(volume, keep_until: datetime | None = None, key: str = KEY, data: bytes = b"bytes") -> None:
    put(volume, key, data)
    volume.lock(key, keep_until=keep_until)


@pytest.fixture
def place(ceph):
    return locking(ceph.http, DAY, clock=ShiftedClock())


@pytest.fixture
def volume(place):
    return opened(place)


def near(at: datetime | None, expected: datetime) -> bool:
    return at is not None and abs(at - expected) < timedelta(minutes=2)


@pytest.mark.parametrize("data", [b"short", LONG], ids=["short", "in parts"])
def test_a_package_is_locked_for_a_window(volume, data):
    put(volume, KEY, data)
    assert lock_of(volume).until_at is None  # what is taken back again must not be
    volume.lock(KEY)
    found = lock_of(volume)
    assert found.mode == "COMPLIANCE"
    assert near(found.until_at, datetime.now(UTC) + DAY)
    assert content(volume) == data


def test_documents_are_not_locked(volume):
    volume.replace("note", b"one")
    assert (
        lock_of(volume, "note") == lock_of(volume, "volume.json") == LockState(None, None, is_on_hold=False)
    )


def test_a_lock_never_reaches_beyond_what_must_be_kept(volume):
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    locked(volume, soon)
    assert lock_of(volume).until_at == soon
    locked(volume, datetime.now(UTC) - DAY, OTHER_KEY)
    assert lock_of(volume, OTHER_KEY).until_at is None


def test_a_lock_is_renewed_when_half_of_its_window_is_gone(place, volume):
    locked(volume)
    first = lock_of(volume).until_at
    place.clock.later = DAY * 0.4
    assert volume.lock(KEY) == first
    place.clock.later = DAY * 0.6
    assert near(volume.lock(KEY), datetime.now(UTC) + DAY * 1.6)
    assert near(lock_of(volume).until_at, datetime.now(UTC) + DAY * 1.6)


def test_a_renewed_lock_ends_with_what_must_be_kept_and_is_never_shortened(place, volume):
    locked(volume)
    end = datetime.now(UTC).replace(microsecond=0) + DAY * 1.2
    place.clock.later = DAY * 0.9
    assert volume.lock(KEY, keep_until=end) == end
    assert volume.lock(KEY, keep_until=end - DAY) == end
    assert lock_of(volume).until_at == end


def test_what_was_never_locked_is_when_its_turn_comes(place, volume):
    locked(volume, datetime.now(UTC) - DAY)
    assert near(volume.lock(KEY), datetime.now(UTC) + DAY)


def test_an_absent_object_cannot_be_locked(volume):
    with pytest.raises(ObjectNotFoundError):
        volume.lock(KEY)


def test_what_is_locked_is_hidden_and_said_to_stay_until_its_date(place, volume):
    locked(volume)
    locked(volume, datetime.now(UTC) - DAY, OTHER_KEY)
    until_at = lock_of(volume).until_at
    with pytest.raises(ObjectLockedError) as refusal:
        volume.delete_many([KEY, OTHER_KEY])
    assert refusal.value.until_at == until_at
    assert keys(volume) == []
    with pytest.raises(ObjectNotFoundError):
        volume.stat(KEY)
    assert place.versions(OTHER_KEY) == []
    assert len(place.versions(KEY)) == 2
    assert volume.sweep(lambda _: True) == 1
    assert keys(volume) == []


def test_hidden_bytes_go_when_their_lock_is_over(ceph):
    place = locking(ceph.http, timedelta(seconds=2))
    volume = opened(place)
    locked(volume)
    with pytest.raises(ObjectLockedError):
        volume.delete(KEY)
    until_at = datetime.now(UTC) + MOMENT
    while volume.sweep(lambda _: True) and datetime.now(UTC) < until_at:
        time.sleep(0.2)
    assert place.versions(KEY) == []


def test_what_somebody_hid_and_may_not_go_is_kept_by_a_sweep(place, volume):
    for key in (KEY, OTHER_KEY):
        put(volume, key)
        place.client.delete_object(Bucket=place.bucket, Key=place.path(key))
    assert volume.sweep(lambda key: key != KEY) == 0
    assert place.versions(OTHER_KEY) == []
    (earlier,) = volume.earlier(KEY)
    assert earlier is not None
    assert earlier.read_at(0, earlier.size_bytes) == b"bytes"


def test_what_is_on_hold_is_not_even_hidden(place, volume):
    locked(volume, datetime.now(UTC) - DAY)
    assert volume.hold(KEY, on=True)
    with pytest.raises(ObjectLockedError, match="legal hold") as refusal:
        volume.delete(KEY)
    assert refusal.value.until_at is None
    assert content(volume) == b"bytes"
    volume.hold(KEY, on=False)
    volume.delete(KEY)
    assert place.versions(KEY) == []


def test_a_key_that_was_hidden_can_be_used_again(volume):
    locked(volume)
    with pytest.raises(ObjectLockedError):
        volume.delete(KEY)
    put(volume, KEY, b"anew")
    assert content(volume) == b"anew"


def test_a_bucket_that_cannot_lock_is_not_made_a_volume_that_does(ceph):
    s3 = S3Spec(object_lock=ObjectLockSpec("COMPLIANCE", DAY))
    with pytest.raises(UsageError, match="Object Lock"):
        opened(BucketPlace(ceph.http, s3))


def test_a_service_that_takes_locks_and_forgets_them_is_found_out(ceph):
    with Proxy(ceph.http).running() as proxy:
        place = locking(ceph.http, DAY, through=proxy.endpoint)
        volume = opened(place)
        proxy.hook = Faults(lambda *_: Reply(200), lambda it: "retention" in it.query, times=None)
        put(volume)
        with pytest.raises(VolumeUnavailableError, match="does not show it"):
            volume.lock(KEY)


def test_every_version_goes_with_an_object(place, volume):
    locked(volume, datetime.now(UTC) - DAY)
    place.damage(KEY, b"written over by somebody")
    volume.delete(KEY)
    assert place.versions(KEY) == []


def test_what_a_document_said_before_is_gone(place, volume):
    for text in (b"one", b"two", b"three"):
        volume.replace("note", text)
    assert len(place.versions("note")) == 1
    assert content(volume, "note") == b"three"


def test_a_governance_lock_is_shown_refuses_removal_and_is_told_by_its_name(ceph):
    place = locking(ceph.http, DAY, "GOVERNANCE")
    volume = opened(place)
    locked(volume)
    assert lock_of(volume).mode == "GOVERNANCE"
    with pytest.raises(ObjectLockedError, match="GOVERNANCE"):
        volume.delete(KEY)
    assert len(place.versions(KEY)) == 2  # hidden, and still there
