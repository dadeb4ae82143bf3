"""The journal is told which program serves, under which settings, and when its clock was set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from retention import __version__
from retention.catalog.state import CONFIG_TEXT_STATE
from retention.journal.envelope import Envelope
from retention.model.clock import RehearsalClock
from retention.model.errors import VolumeFullError
from retention.services import running
from retention.services.entries.config import digest_of
from retention.services.entries.running import CLOCK_JUMP, PROGRAM_START, PROGRAM_VERSION
from retention.services.stores import Stores
from tests.services.memory_world import MemoryWorld


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with MemoryWorld.make(tmp_path / "archive").opened() as opened:
        yield opened


def told(stores: Stores, after: int) -> list[Envelope]:
    return [entry.envelope for entry in stores.journal.read(after)] if after < stores.journal.size else []


def test_a_start_says_which_program_and_which_settings(stores: Stores):
    size = stores.journal.size
    running.note_start(stores, "web")
    (start,) = told(stores, size)
    text = stores.catalog.state(CONFIG_TEXT_STATE) or ""
    assert (start.action, start.data["part"], start.data["version"]) == (PROGRAM_START, "web", __version__)
    assert start.data["config"] == digest_of(text)


def test_another_version_is_told_once(stores: Stores, monkeypatch: pytest.MonkeyPatch):
    running.note_start(stores, "web")
    size = stores.journal.size
    monkeypatch.setattr(running, "__version__", "99.0")
    running.note_start(stores, "web")
    running.note_start(stores, "scheduler")
    assert [one.action for one in told(stores, size)] == [PROGRAM_VERSION, PROGRAM_START, PROGRAM_START]
    assert told(stores, size)[0].data == {"from": __version__, "to": "99.0"}


def test_a_clock_that_went_back_while_nobody_looked_is_told(stores: Stores):
    size, now = stores.journal.size, stores.clock.now()
    stores.clock = RehearsalClock(now - timedelta(hours=2))
    running.note_start(stores, "web")
    jump = told(stores, size)[0]
    assert jump.action == CLOCK_JUMP
    assert -7300 < int(str(jump.data["seconds"])) < -7100


def test_a_clock_that_was_set_while_at_work_is_told(stores: Stores):
    size = stores.journal.size
    running.note_jump(stores, timedelta(hours=1))
    assert told(stores, size)[0].data == {"seconds": 3600}


def test_a_journal_that_is_full_stops_no_start(stores: Stores, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise VolumeFullError("full")

    monkeypatch.setattr(stores.journal, "append", full)
    running.note_start(stores, "web")
