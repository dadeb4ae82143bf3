"""A study on a tier that answers slowly: who asks is told so, and gets it when it was recalled; peers are told, too."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.services import recall
from retention.services.deliveries import GIVE_UP_AFTER_S
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from tests.dimse.peer import get, move
from tests.services.instances import STUDY
from tests.services.move.moving import move_in

UIDS = [f"{STUDY}.1.{number}" for number in (1, 2, 3)]


@pytest.fixture
def asleep(opened):
    stores, listener, port = opened
    stores.clock = RehearsalClock(stores.clock.now())
    move_in(stores, "glacier", list(stores.catalog.all_packages()))
    stores.clock = RehearsalClock(stores.clock.now() + GRACE)
    drop_due(stores)
    return stores, listener.after_recall, port


def wake(stores):
    stores.clock = RehearsalClock(stores.clock.now() + timedelta(days=1))
    recall.advance(stores)


def test_a_move_is_answered_at_once_and_made_when_the_study_is_there(asleep, peer):
    stores, after_recall, port = asleep
    *pending, last = move(port, STUDY)
    assert {status.Status for status in pending} == {0xFF00}
    assert last.Status == 0xA702
    assert "sent when it is there" in last.ErrorComment
    assert last.NumberOfFailedSuboperations == 3
    move(port, STUDY)  # impatient: the same delivery is kept once
    assert len(list(after_recall.deliveries.waiting())) == 1
    after_recall.look()
    assert (peer.taken, peer.told) == ([], [])
    wake(stores)
    after_recall.look()
    assert sorted(peer.taken) == UIDS
    *_, given = stores.journal.read()
    assert given.envelope.action == "study.export"
    assert given.envelope.actor.startswith("device-")
    after_recall.look()
    assert sorted(peer.taken) == UIDS
    assert list(after_recall.deliveries.waiting()) == []


def test_peers_are_told_once_what_can_be_read_again(asleep, peer):
    stores, after_recall, port = asleep
    assert get(port, STUDY)[-1].Status == 0xA702
    wake(stores)
    for _ in range(2):
        after_recall.look()
    (notice,) = peer.told
    assert notice.StudyInstanceUID == STUDY
    (series,) = notice.ReferencedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence] == UIDS
    assert {item.InstanceAvailability for item in series.ReferencedSOPSequence} == {"ONLINE"}
    assert {item.RetrieveAETitle for item in series.ReferencedSOPSequence} == {"RETENTION"}
    assert peer.taken == []


def test_what_a_peer_does_not_take_is_tried_again_later_and_not_for_ever(asleep, peer):
    stores, after_recall, port = asleep
    move(port, STUDY)
    wake(stores)
    peer.status = 0xA700
    after_recall.look()
    peer.status = 0x0000
    after_recall.look()  # too early
    assert peer.taken == []
    stores.clock = RehearsalClock(stores.clock.now() + timedelta(seconds=GIVE_UP_AFTER_S + 1))
    after_recall.look()
    assert list(after_recall.deliveries.waiting()) == []
    assert peer.taken == []


def test_one_process_attends(asleep):
    _, after_recall, _ = asleep
    with after_recall.deliveries.attending() as first, after_recall.deliveries.attending() as second:
        assert (first, second) == (True, False)


def test_one_that_cannot_be_made_keeps_no_other_waiting(asleep, peer, monkeypatch):
    stores, after_recall, port = asleep
    move(port, STUDY)
    wake(stores)
    ((_, delivery),) = after_recall.deliveries.waiting()
    after_recall.deliveries.keep(replace(delivery, instances=UIDS[:1]))
    made, names = after_recall._deliver, []

    def broken(delivery):
        names.append(delivery)
        if len(names) == 1:
            raise ValueError("made up")
        return made(delivery)

    monkeypatch.setattr(type(after_recall), "_deliver", lambda _, delivery: broken(delivery))
    after_recall.look()
    assert len(names) == 2
    assert peer.taken
    assert len(list(after_recall.deliveries.waiting())) == 1
    assert len(peer.told) == 1


def test_what_a_device_asked_for_is_not_sent_when_it_is_nobodys_any_more(asleep, peer):
    stores, after_recall, port = asleep
    move(port, STUDY)
    wake(stores)
    ((_, delivery),) = after_recall.deliveries.waiting()
    after_recall.deliveries.done(next(after_recall.deliveries.waiting())[0])
    after_recall.deliveries.keep(replace(delivery, caller="GONE"))
    after_recall.look()
    assert peer.taken == []
    assert list(after_recall.deliveries.waiting()) == []
