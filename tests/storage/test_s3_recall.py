"""Archived storage classes: the states as an emulation has them, the words of a real service, and Ceph's own way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retention.model.layout import RecallSpec, S3Spec
from retention.storage.s3_recall import state_of
from retention.storage.volume import ONLINE, Availability, RecallState, Urgency
from tests.storage.buckets import BucketPlace
from tests.storage.clocks import MovableClock
from tests.storage.conformance import opened
from tests.storage.conformance_recall import KEEP, RecallConformance, SlowPlace
from tests.storage.places import KEY, content, put
from tests.storage.s3_glacier import Glacier
from tests.storage.s3_proxy import Proxy

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


class GlacierPlace(BucketPlace, SlowPlace):
    glacier: Glacier

    def wait_for(self, volume, key) -> None:
        ready_at, _ = self.glacier.restored[self.path(key)]
        self.glacier.clock.at = ready_at

    def wait(self, time: timedelta) -> None:
        self.glacier.clock.at += time


@pytest.fixture
def make(ceph):
    with Proxy(ceph.http).running() as proxy:

        def made(storage_class: str = "GLACIER", recall: RecallSpec | None = None) -> GlacierPlace:
            clock = MovableClock(NOON)
            s3 = S3Spec(storage_class=storage_class)
            place = GlacierPlace(ceph.http, s3, through=proxy.endpoint, clock=clock, recall=recall)
            place.glacier = proxy.hook = Glacier(clock)
            return place

        yield made


@pytest.fixture
def place(make):
    return make()


class TestStates(RecallConformance):
    pass


@pytest.mark.parametrize(
    ("storage_class", "urgency", "tier", "hours"),
    [
        ("GLACIER", Urgency.ROUTINE, "Bulk", 12),
        ("GLACIER", Urgency.SOON, "Standard", 5),
        ("GLACIER", Urgency.EMERGENCY, "Expedited", 1 / 12),
        ("DEEP_ARCHIVE", Urgency.ROUTINE, "Bulk", 48),
        ("DEEP_ARCHIVE", Urgency.SOON, "Standard", 12),
        ("DEEP_ARCHIVE", Urgency.EMERGENCY, "Standard", 12),
    ],
)
def test_urgency_chooses_the_retrieval_tier(make, storage_class, urgency, tier, hours):
    place = make(storage_class)
    volume = opened(place)
    put(volume)
    found = volume.recall(KEY, urgency=urgency, keep=timedelta(hours=30))
    assert place.glacier.asked == [(2, tier)]
    assert found == Availability(RecallState.REQUESTED, NOON + timedelta(hours=hours))


def test_an_estimate_of_ones_own_comes_before_the_documented_one(make):
    volume = opened(make(recall=RecallSpec(timedelta(hours=6), KEEP)))
    put(volume)
    assert volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP).ready_at == NOON + timedelta(hours=6)


def test_an_emergency_that_cannot_be_served_is_served_as_soon_as_possible(place):
    place.glacier.is_busy = True
    volume = opened(place)
    put(volume)
    found = volume.recall(KEY, urgency=Urgency.EMERGENCY, keep=KEEP)
    assert [tier for _, tier in place.glacier.asked] == ["Expedited", "Standard"]
    assert found.ready_at == NOON + timedelta(hours=5)


def test_a_long_package_is_archived_and_recalled_as_a_short_one_is(place):
    volume, data = opened(place), bytes(range(256)) * (24 << 10)
    put(volume, KEY, data)
    assert volume.availability(KEY).state is RecallState.ARCHIVED
    volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP)
    place.wait_for(volume, KEY)
    assert content(volume) == data


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({}, ONLINE),
        ({"StorageClass": "STANDARD_IA"}, ONLINE),
        ({"StorageClass": "GLACIER_IR"}, ONLINE),
        ({"StorageClass": "GLACIER"}, Availability(RecallState.ARCHIVED)),
        (
            {"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'},
            Availability(RecallState.REQUESTED),
        ),
        (
            {
                "StorageClass": "DEEP_ARCHIVE",
                "Restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"',
            },
            Availability(RecallState.READY, None, datetime(2029, 12, 21, tzinfo=UTC)),
        ),
        (
            {
                "StorageClass": "GLACIER",
                "Restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"',
            },
            Availability(RecallState.ARCHIVED),
        ),
        ({"StorageClass": "GLACIER", "Restore": "nonsense"}, Availability(RecallState.ARCHIVED)),
    ],
    ids=str,
)
def test_what_the_headers_say(answer, state):
    assert state_of(answer, datetime(2026, 11, 24, tzinfo=UTC)) == state


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_ceph_reads_its_archived_classes_at_once_and_knows_no_restore(ceph, storage_class):
    place = BucketPlace(ceph.http, S3Spec(storage_class=storage_class))
    opened(place)
    volume = place.open()
    put(volume)
    assert volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP) == ONLINE
    assert volume.availability(KEY) == ONLINE
    assert content(volume) == b"bytes"
    head = volume.bucket.head(KEY)
    assert head["StorageClass"] == storage_class
    assert "StorageClass" not in volume.bucket.head("volume.json")
