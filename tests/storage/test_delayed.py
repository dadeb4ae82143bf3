"""A volume that answers slowly on purpose does what glacier does, on whatever driver it keeps its objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retention.model.errors import NotReadyError
from retention.model.layout import RecallSpec
from retention.storage.delayed import DelayedVolume
from retention.storage.volume import ONLINE, Availability, RecallState, Urgency
from tests.storage.clocks import MovableClock
from tests.storage.conformance import ObjectConformance, Place, opened
from tests.storage.conformance_documents import AppendConformance, DocumentConformance, SpaceConformance
from tests.storage.conformance_identity import IdentityConformance
from tests.storage.conformance_recall import KEEP, RecallConformance, SlowPlace
from tests.storage.places import KEY, content, put
from tests.storage.test_directory import DirectoryPlace
from tests.storage.test_memory import MemoryPlace

pytestmark = pytest.mark.usefixtures("unsynced")
RECALL = RecallSpec(timedelta(hours=12), timedelta(days=7))
BEGIN = datetime(2026, 11, 24, tzinfo=UTC)


class DelayedPlace(SlowPlace):
    """Another driver's place, made slow."""

    def __init__(self, inner: Place, recall: RecallSpec = RECALL) -> None:
        self.inner = inner
        self.recall = recall
        self.clock = MovableClock(BEGIN)

    def open(self, **known) -> DelayedVolume:
        return DelayedVolume(self.inner.open(**known), self.recall, self.clock)

    def damage(self, key: str, data: bytes | None) -> None:
        self.inner.damage(key, data)

    def vanish(self) -> None:
        self.inner.vanish()

    def wait_for(self, volume, key) -> None:
        self.clock.at = volume.availability(key).ready_at

    def wait(self, time: timedelta) -> None:
        self.clock.at += time


@pytest.fixture(params=["memory", "directory"])
def place(request, tmp_path):
    inner = MemoryPlace() if request.param == "memory" else DirectoryPlace(tmp_path / "cold-1")
    return DelayedPlace(inner)


class AwakePlace(DelayedPlace):
    """What a slow volume does apart from being slow is what every volume does."""

    def open(self, **known) -> DelayedVolume:
        return _Awake(self.inner.open(**known), self.recall, self.clock)


class _Awake(DelayedVolume):
    def availability(self, key: str) -> Availability:
        super().availability(key)
        return ONLINE


@pytest.fixture
def awake():
    return AwakePlace(MemoryPlace())


class TestRecall(RecallConformance):
    pass


class TestIdentity(IdentityConformance):
    @pytest.fixture
    def place(self, awake):
        return awake


class TestDocuments(DocumentConformance):
    @pytest.fixture
    def place(self, awake):
        return awake


class TestAppends(AppendConformance):
    @pytest.fixture
    def place(self, awake):
        return awake


class TestSpace(SpaceConformance):
    @pytest.fixture
    def place(self, awake):
        return awake


@pytest.mark.parametrize(
    ("urgency", "hours"), [(Urgency.ROUTINE, 12), (Urgency.SOON, 4), (Urgency.EMERGENCY, 1.2)]
)
def test_urgency_shortens_the_delay(place, urgency, hours):
    volume = opened(place)
    put(volume)
    found = volume.recall(KEY, urgency=urgency, keep=KEEP)
    assert found.ready_at == BEGIN + timedelta(hours=hours)
    assert found.until_at == found.ready_at + KEEP


def test_a_more_urgent_request_makes_it_ready_sooner_and_a_less_urgent_one_never_later(place):
    volume = opened(place)
    put(volume)
    volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP)
    sooner = volume.recall(KEY, urgency=Urgency.EMERGENCY, keep=KEEP)
    assert sooner.ready_at == BEGIN + timedelta(hours=1.2)
    assert volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP).ready_at == sooner.ready_at


def test_it_is_ready_at_the_very_moment_and_archived_at_the_other(place):
    volume = opened(place)
    put(volume)
    found = volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP)
    assert found.ready_at is not None
    assert found.until_at is not None
    place.clock.at = found.ready_at - timedelta(microseconds=1)
    with pytest.raises(NotReadyError):
        volume.open(KEY)
    place.clock.at = found.ready_at
    assert content(volume) == b"bytes"
    place.clock.at = found.until_at - timedelta(microseconds=1)
    assert content(volume) == b"bytes"
    place.clock.at = found.until_at
    assert volume.availability(KEY).state is RecallState.ARCHIVED


def test_a_damaged_note_only_means_that_it_is_asked_for_again(place):
    volume = opened(place)
    put(volume)
    volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP)
    (note,) = [found.key for found in volume.list("recalls/")]
    for damaged in (b"", b"{}", b"[]", b'{"ready_at": 1, "until_at": 2}'):
        place.damage(note, damaged)
        assert volume.availability(KEY).state is RecallState.ARCHIVED
    assert volume.recall(KEY, urgency=Urgency.SOON, keep=KEEP).state is RecallState.REQUESTED


def test_a_request_survives_a_power_cut():
    inner = MemoryPlace()
    place = DelayedPlace(inner)
    volume = opened(place)
    put(volume)
    found = volume.recall(KEY, urgency=Urgency.ROUTINE, keep=KEEP)
    inner.medium.crash(())
    assert place.open().availability(KEY) == found


class TestObjects(ObjectConformance):
    @pytest.fixture
    def place(self, awake):
        return awake
