"""What is held and cannot be given now, and what cannot be taken now: said so, with what to do about it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.model.errors import VolumeFullError
from retention.services import recall
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from retention.services.staging.receiver import Receiver
from tests.services.instances import STUDY, instance
from tests.services.move.moving import move_in

PATH = f"/necker/studies/{STUDY}"
KIND = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b1'}
BODY = b"--b1\r\nContent-Type: application/dicom\r\n\r\n" + instance(9) + b"\r\n--b1--\r\n"


@pytest.fixture
def asleep(opened):
    stores, client = opened
    stores.clock = RehearsalClock(stores.clock.now())
    move_in(stores, "glacier", list(stores.catalog.all_packages()))
    stores.clock = RehearsalClock(stores.clock.now() + GRACE)
    drop_due(stores)
    return stores, client


@pytest.mark.parametrize("path", [PATH, f"{PATH}/metadata"])
def test_what_is_on_a_slow_tier_is_asked_back_once_and_given_later(asleep, path):
    stores, client = asleep
    (study,) = client.get(f"/necker/studies?StudyInstanceUID={STUDY}").json()
    assert study["00080056"]["Value"] == ["NEARLINE"]
    for _ in range(2):
        answer = client.get(path)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
    assert len(list(stores.catalog.recalls.open())) == 1
    stores.clock = RehearsalClock(stores.clock.now() + timedelta(days=1))
    recall.advance(stores)
    assert client.get(path).status_code == 200


def test_full_staging_is_said_and_passes_without_a_restart(opened, monkeypatch):
    _, client = opened

    def full(*_: object):
        raise VolumeFullError("hot-a is full")

    with monkeypatch.context() as patch:
        patch.setattr(Receiver, "make_durable", full)
        refused = client.ask("POST", "/necker/studies", BODY, KIND)
    assert refused.status_code == 507
    assert refused.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA700]
    assert client.ask("POST", "/necker/studies", BODY, KIND).status_code == 200


def test_a_bug_is_answered_with_a_problem_and_no_word_of_what_it_was(opened, monkeypatch):
    stores, client = opened
    monkeypatch.setattr(type(stores.catalog), "institutions", lambda _: 1 / 0)
    answer = client.get("/necker/studies")
    assert answer.status_code == 500
    assert "division" not in answer.text
