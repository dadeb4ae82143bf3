"""A service that answers badly: nothing is lost, nothing is left twice, and no answer is taken for another.

A proxy before a real service breaks one request after the other, whichever way there is, until a run meets no fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from retention.model.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    ReadBackError,
    StorageError,
    VolumeUnavailableError,
)
from retention.storage.state import VolumeState
from tests.storage.buckets import PART_BYTES, BucketPlace
from tests.storage.conformance import LONG, opened
from tests.storage.places import KEY, OTHER_KEY, SESSION, content, identity, keys, put, sealed
from tests.storage.s3_proxy import (
    Faults,
    Forward,
    Hook,
    Proxy,
    Reply,
    Request,
    cut_answer,
    lost_answer,
    lying_error,
    refusal,
    reset,
    spoilt_request,
    status,
)

PASSING = {
    "500": status(500),
    "503": status(503, "SlowDown"),
    "reset": reset,
    "answer lost": lost_answer,
    "done, and said to have failed": lying_error,
    "answer cut": cut_answer,
    "sent byte spoilt": spoilt_request,
}
DATA = {"short": b"bytes of a package", "in parts": LONG[: PART_BYTES + 1000]}


@pytest.fixture
def proxy(ceph):
    with Proxy(ceph.http).running() as proxy:
        yield proxy


@pytest.fixture
def place(ceph, proxy):
    return BucketPlace(ceph.http, through=proxy.endpoint, trust_s=60.0)


@pytest.fixture
def versioned(ceph, proxy):
    return BucketPlace(ceph.http, through=proxy.endpoint, trust_s=60.0, locks=True)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_changes_nothing_whatever_request_it_meets(place, proxy, fault):
    goes_well(place, proxy, fault, DATA["short"])


@pytest.mark.parametrize("fault", ["reset", "answer lost", "sent byte spoilt"])
def test_nor_does_it_to_what_goes_in_parts(place, proxy, fault):
    goes_well(place, proxy, PASSING[fault], DATA["in parts"])


@pytest.mark.parametrize("fault", ["answer lost", "done, and said to have failed"])
def test_nor_where_repeating_a_request_makes_a_version_more(versioned, proxy, fault):
    goes_well(versioned, proxy, PASSING[fault], DATA["short"])


def goes_well(place: BucketPlace, proxy: Proxy, fault: Hook, data: bytes) -> None:
    volume = opened(place)
    for nth in range(1, 99):
        proxy.hook = faults = Faults(fault, nth=nth)
        put(volume, KEY, data)
        assert content(volume) == data
        if not faults.met:
            break
        assert (len(place.versions(KEY)), place.unfinished()) == (1, [])
        volume.delete(KEY)
        assert place.versions(KEY) == []
    else:
        pytest.fail("there is no end of it")
    assert nth > 2


@pytest.mark.parametrize("fault", [status(500), lost_answer], ids=["500", "answer lost"])
def test_a_service_that_goes_away_leaves_nothing_that_counts(place, proxy, fault):
    opened(place)
    for nth in range(1, 99):
        volume = place.open()
        assert volume.probe() is VolumeState.READY
        proxy.hook = faults = Faults(fault, nth=nth, times=None)
        with suppress(VolumeUnavailableError):
            put(volume, KEY, DATA["in parts"])
        proxy.hook = Faults(fault, times=0)
        if not faults.met:
            break
        # The next start: what the run that failed began is discarded, what it may have published is removed.
        again = place.open()
        for session in again.incoming_sessions():
            again.discard_incoming(session)
        if keys(again):
            assert content(again) == DATA["in parts"]
        again.delete_many([KEY])
        again.sweep(lambda _: True)
        assert (place.versions(KEY), keys(again, "incoming/")) == ([], [])
        assert set(place.unfinished()) <= {place.path(KEY)}  # begun, and its note never came: stale in a week
        place.abort(place.path(KEY))
    else:
        pytest.fail("there is no end of it")


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(ceph, proxy):
    place = BucketPlace(ceph.http, through=proxy.endpoint, timeout_s=0.3)
    volume = opened(place)

    def slow(request: Request, forward: Forward) -> Reply:
        time.sleep(0.6)
        return forward(request)

    proxy.hook = faults = Faults(slow, lambda it: it.method == "PUT", times=2)
    put(volume)
    assert faults.met == 2
    assert content(volume) == b"bytes"
    assert len(place.versions(KEY)) == 1


@pytest.mark.parametrize("code", ["AccessDenied", "SignatureDoesNotMatch", "RequestTimeTooSkewed"])
def test_forbidden_is_never_missing(place, proxy, code):
    volume = opened(place)
    put(volume)
    proxy.hook = Faults(status(403, code), times=None)
    uses: list[Callable[[str], object]] = [volume.open, volume.stat, volume.delete, volume.availability]
    for use in [*uses, volume.lock, lambda key: list(volume.list(key)), lambda key: put(volume, OTHER_KEY)]:
        with pytest.raises(VolumeUnavailableError) as refusal_met:
            use(KEY)
        assert refusal_met.value.hint
    assert volume.probe() is VolumeState.MISSING
    with pytest.raises(VolumeUnavailableError, match="forbids"):
        place.open().stat(KEY)


def test_missing_is_believed_only_of_a_volume_that_is_there(place, proxy):
    volume = opened(place)
    put(volume)

    def nothing_there(request: Request, forward: Forward) -> Reply:
        return refusal(404, "NoSuchKey" if request.key.endswith(".shard") else "NoSuchBucket")

    proxy.hook = Faults(nothing_there, times=None)
    for use in (volume.open, volume.stat):
        with pytest.raises(VolumeUnavailableError):
            use(KEY)
    proxy.hook = Faults(nothing_there, lambda it: it.key.endswith(".shard"), times=None)
    for use in (volume.open, volume.stat):
        with pytest.raises(ObjectNotFoundError):
            use(KEY)


@pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())
def test_what_was_stored_otherwise_than_sent_does_not_count(place, proxy, data):
    """A service (or what lies before it) that keeps other bytes and knows their MD5: no checksum on the way helps."""
    volume = opened(place)

    def stores_another(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        reply.headers = [(n, '"%s"' % ("0" * 32) if n.lower() == "etag" else v) for n, v in reply.headers]
        return reply

    proxy.hook = Faults(stores_another, lambda it: it.method in ("PUT", "HEAD"), times=None)

    def store() -> None:
        with volume.begin(KEY, SESSION) as upload:
            upload.write(data)
            upload.seal()
            upload.publish()

    with pytest.raises(ReadBackError):
        store()
    proxy.hook = Faults(stores_another, times=0)
    assert (place.versions(KEY), place.unfinished()) == ([], [])


@pytest.mark.parametrize("kind", ["place", "versioned"])
def test_somebody_elses_object_is_not_taken_for_ours(request, proxy, kind):
    place = request.getfixturevalue(kind)
    volume = opened(place)
    put(volume, KEY, LONG[:100])
    for data in (LONG[:100], DATA["in parts"]):
        proxy.hook = Faults(lost_answer, lambda it: it.method in ("PUT", "POST"), nth=1, times=1)
        with pytest.raises(ObjectExistsError), sealed(volume, KEY, data) as upload:
            upload.publish()
        assert content(volume) == LONG[:100]
        assert len(place.versions(KEY)) == 1


def test_an_object_replaced_while_it_is_read_is_not_mixed_with_the_other(place, proxy):
    volume = opened(place)
    put(volume, KEY, LONG)
    with volume.open(KEY) as reader:
        place.damage(KEY, bytes(len(LONG)))
        assert reader.read_at(0, 100) == LONG[:100]
        try:
            rest = reader.read_at(1 << 20, 100)
        except ObjectNotFoundError:
            return
        assert rest == LONG[1 << 20 :][:100]


def test_a_service_that_is_down_is_asked_a_few_times_and_then_left_in_peace(place, proxy):
    volume = opened(place)
    put(volume)
    proxy.hook = Faults(status(503, "ServiceUnavailable"), times=None)
    before = len(proxy.requests)
    for _ in range(50):
        with pytest.raises(StorageError):
            volume.stat(KEY)
    assert len(proxy.requests) - before < 50


def test_the_identity_of_another_volume_behind_the_same_name_is_noticed(place):
    opened(place)
    volume = place.open(expected=identity(volume="c"))
    with pytest.raises(VolumeUnavailableError, match="another volume"):
        put(volume)
