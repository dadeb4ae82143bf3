"""The jobs that keep the journal sealed: when they act, what they tell when they cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from retention.model.clock import RehearsalClock, SystemClock
from retention.model.errors import VolumeUnavailableError
from retention.services import seal as sealing
from retention.services.entries.sealing import SEAL_FAILED, TIMESTAMP_FAILED
from retention.services.seal_due import seal_if_due, seal_status, stamp_due
from retention.services.stores import Stores
from tests.journal.tsa import answer, make_authority
from tests.services.memory_world import MemoryWorld

NOW = SystemClock().now()


def never() -> bool:
    return False


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with MemoryWorld.make(tmp_path / "archive").opened() as opened:
        opened.clock = RehearsalClock(NOW)
        yield opened


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tsa")
    make_authority(folder)
    return folder


def asking(stores: Stores, monkeypatch: pytest.MonkeyPatch, folder: Path | None) -> None:
    """Name an authority in the settings; None: one that does not answer."""

    def ask(url: str, data: bytes) -> bytes:
        from retention.journal.timestamp import request_for

        if folder is None:
            raise OSError("it does not answer")
        return answer(folder, request_for(data))

    object.__setattr__(stores.settings, "timestamp_url", "http://tsa")
    monkeypatch.setattr(sealing, "ask", ask)


def actions(stores: Stores) -> list[str]:
    return [entry.envelope.action for entry in stores.journal.read()]


def test_a_seal_is_made_when_the_last_one_is_as_old_as_allowed_and_not_before(stores: Stores):
    first = seal_if_due(stores, stop=never)
    assert first.sealed is not None
    assert seal_if_due(stores, stop=never).sealed is None
    stores.clock = RehearsalClock(NOW + timedelta(hours=24))
    assert seal_if_due(stores, stop=lambda: True).sealed is None
    again = seal_if_due(stores, stop=never)
    assert again.sealed is not None
    assert (again.status.seals, again.status.waiting, again.status.timestamps) == (2, 0, 0)


def test_what_an_authority_that_was_away_missed_is_stamped_later_and_carried_on(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, authority: Path
):
    asking(stores, monkeypatch, None)
    run = seal_if_due(stores, stop=never)
    assert (run.timestamped, run.why_not, run.status.waiting) == (0, "it does not answer", 1)
    assert TIMESTAMP_FAILED in actions(stores)
    asking(stores, monkeypatch, authority)
    run = stamp_due(stores, stop=never)
    assert (run.timestamped, run.why_not, run.status.waiting, run.status.timestamps) == (1, None, 0, 1)
    assert stamp_due(stores, stop=never).timestamped == 0
    stores.clock = RehearsalClock(NOW + timedelta(hours=25))
    run = seal_if_due(stores, stop=never)
    (old, new) = sealing.find_seals(stores).seals()
    assert list(new.stamps) == [old.size]
    assert run.status.lapsed == 0
    stores.clock = RehearsalClock(NOW + timedelta(days=31))
    status = seal_status(stores)
    assert (status.lapsed, status.until) == (2, None)


def test_a_timestamp_that_ends_soon_is_a_reason_to_seal_once_a_day(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, authority: Path
):
    object.__setattr__(stores.settings, "seal_every", timedelta(days=365))
    asking(stores, monkeypatch, authority)
    assert seal_if_due(stores, stop=never).sealed is not None
    assert seal_if_due(stores, stop=never).sealed is None
    stores.clock = RehearsalClock(NOW + timedelta(days=2))
    assert seal_if_due(stores, stop=never).sealed is not None


def test_a_seal_that_cannot_be_made_is_told_by_the_journal(stores: Stores, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "MINIMUM", 99)
    with pytest.raises(VolumeUnavailableError):
        seal_if_due(stores, stop=never)
    last = list(stores.journal.read())[-1].envelope
    assert (last.action, last.data) == (SEAL_FAILED, {"reason": VolumeUnavailableError.code})
