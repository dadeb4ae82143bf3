"""The scheduler's process as `serve` keeps it: started, watched, stopped with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from retention.cli.scheduling import SchedulerProcess


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SchedulerProcess, list[str]]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    said: list[str] = []
    return SchedulerProcess(tmp_path, None, said.append), said


def process_of(kept: SchedulerProcess) -> subprocess.Popen[bytes]:
    assert kept._process is not None
    return kept._process


def test_one_that_dies_is_started_again_and_a_stop_ends_it(kept):
    scheduler, said = kept
    scheduler.start()
    first = process_of(scheduler)
    scheduler.restart_dead()
    assert (process_of(scheduler), said) == (first, [])
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    scheduler.restart_dead()
    second = process_of(scheduler)
    assert second is not first
    assert said == ["scheduler_dead"]
    scheduler.stop()
    assert second.poll() == 0


def test_what_was_never_started_is_stopped_all_the_same(kept):
    scheduler, _ = kept
    scheduler.restart_dead()
    scheduler.stop()
