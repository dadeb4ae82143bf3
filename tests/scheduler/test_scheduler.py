"""The scheduler in one process, quick as a test: what is due runs, alone, once, and to the end of its step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retention.archive import open_archive
from retention.catalog.jobs import JobOutcome, JobRun
from retention.model.clock import RunningClock, SystemClock
from retention.model.errors import LockedError
from retention.scheduler import run as running
from retention.scheduler import scheduler as module
from retention.scheduler.scheduler import Scheduler, Timing
from retention.services.jobs.job import AT_ONCE, Done, Job, Work
from retention.services.stores import Stores
from tests.services.world import until

QUICK = Timing(timedelta(seconds=2), beat_s=0.2, look_s=0.05, reload_s=0.5, stop_s=5.0)
DAY = timedelta(days=1)


class Jobs:
    """Jobs of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self._jobs: dict[str, Job] = {}
        self.root = root
        self.calls: list[str] = []
        monkeypatch.setattr(module, "JOBS", self._jobs)

    def add(
        self, name: str, run: Callable[[Stores, Work], Done] | None = None, trigger="PT1H", **more
    ) -> None:
        def noted(stores: Stores, work: Work) -> Done:
            self.calls.append(name)
            return Done() if run is None else run(stores, work)

        self._jobs[name] = Job(name, trigger, noted, **more)

    @contextmanager
    def scheduled(self, clock=None, timing: Timing = QUICK) -> Iterator[Scheduler]:
        scheduler = Scheduler(self.root, clock or SystemClock(), timing)
        thread = threading.Thread(target=scheduler.run)
        thread.start()
        try:
            yield scheduler
        finally:
            scheduler.stop()
            thread.join(20)
            assert not thread.is_alive()

    def runs(self, name: str) -> list[JobRun]:
        stores = open_archive(self.root)
        try:
            return stores.catalog.jobs.runs(name)
        finally:
            stores.close()

    def ended(self, name: str, count: int = 1) -> bool:
        return until(lambda: sum(run.ended_at is not None for run in self.runs(name)) >= count, 0.02, 10)

    def plan(self, **due: datetime) -> None:
        stores = open_archive(self.root)
        stores.catalog.jobs.plan(due)
        stores.close()


@pytest.fixture
def jobs(monkeypatch, empty) -> Jobs:
    return Jobs(monkeypatch, empty.root)


def test_what_is_due_runs_again_and_again(jobs):
    jobs.add("quick", trigger="PT1S")
    jobs.add("slow", trigger="PT1H")
    with jobs.scheduled():
        assert jobs.ended("quick", 3)
    assert jobs.calls.count("slow") == 1
    assert all(run.missed == 0 for run in jobs.runs("quick"))


def test_a_job_that_fails_stops_no_other_and_is_tried_again_soon(jobs, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(running, "RETRY_AFTER", timedelta(seconds=0.2))
    jobs.add("bad", fail, "P1D")
    jobs.add("good", None, "PT1S")
    with jobs.scheduled():
        assert jobs.ended("bad", 2)
        assert jobs.ended("good", 2)
    assert {run.outcome for run in jobs.runs("bad")} == {JobOutcome.FAILED}
    assert jobs.runs("bad")[0].detail == "ZeroDivisionError: by zero"


def test_what_passed_while_nobody_was_there_is_caught_up_once_and_counted(jobs):
    jobs.add("hourly")
    jobs.plan(hourly=SystemClock().now() - timedelta(hours=5, minutes=30))
    with jobs.scheduled():
        assert jobs.ended("hourly")
        time.sleep(0.3)
    (run,) = jobs.runs("hourly")
    assert run.missed == 6


def test_what_is_left_is_gone_on_with_after_others_had_their_turn(jobs):
    left = iter([AT_ONCE, AT_ONCE, None])
    jobs.add("long", lambda *_: Done(again_after=next(left)))
    jobs.add("other", trigger="PT1S")
    with jobs.scheduled():
        assert jobs.ended("long", 3)
    assert jobs.calls.count("long") == 3


def test_a_stop_lets_the_present_step_end_and_the_rest_is_done_next_time(jobs):
    began, steps = threading.Event(), []

    def run(_, work: Work) -> Done:
        steps.append("began")
        began.set()
        while not work.stop():
            time.sleep(0.02)
        steps.append("step")
        return Done({"steps": 1}, again_after=AT_ONCE)

    jobs.add("long", run)
    with jobs.scheduled() as scheduler:
        assert began.wait(5)
        scheduler.stop()
    assert steps == ["began", "step"]
    (first,) = jobs.runs("long")
    assert (first.outcome, first.is_left) == (JobOutcome.DONE, True)
    with jobs.scheduled():
        assert until(lambda: len(steps) > 2, 0.02, 5)


def test_one_that_hangs_longer_than_its_lease_is_given_up_and_its_writes_are_refused(jobs):
    wake = threading.Event()
    refused: list[LockedError] = []

    def hang(stores: Stores, _: Work) -> Done:
        wake.wait(20)
        try:
            with stores.catalog.transaction() as transaction:
                transaction.set_state("hung", "1")
        except LockedError as error:
            refused.append(error)
            raise
        return Done()

    jobs.add("hangs", hang, patience_s=0.3)
    jobs.add("other", None, "PT1S")
    with jobs.scheduled():
        assert until(lambda: any(r.outcome is JobOutcome.HUNG for r in jobs.runs("hangs")), 0.02, 10)
        before = len(jobs.runs("other"))
        assert until(lambda: len(jobs.runs("other")) > before, 0.02, 10)
        wake.set()
        assert until(lambda: bool(refused), 0.02, 10)


def test_heavy_work_rests_and_other_work_does_not(jobs):
    jobs.add("heavy", trigger="PT1S", rests=True)
    jobs.add("light", trigger="PT1S")
    text = (jobs.root / "archive.yaml").read_text()
    (jobs.root / "archive.yaml").write_text(text + '\nschedule: {blackout: ["Mon-Sun 00:00-00:00"]}\n')
    with jobs.scheduled():
        assert jobs.ended("light", 2)
    assert jobs.calls.count("heavy") == 0


def test_a_rehearsal_begins_on_its_own_day_and_time_goes_on(jobs):
    clock = RunningClock(datetime(2031, 3, 1, 1, 59, 58, tzinfo=UTC))
    jobs.add("nightly", trigger="0 2 * * *")
    with jobs.scheduled(clock):
        assert jobs.ended("nightly")
    (run,) = jobs.runs("nightly")
    assert run.due_at == datetime(2031, 3, 1, 2, 0, tzinfo=UTC)


class JumpingClock(SystemClock):
    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset


def test_a_clock_that_jumps_forward_is_caught_up_with_and_back_is_not_waited_for(jobs):
    clock = JumpingClock()
    jobs.add("hourly")
    with jobs.scheduled(clock):
        assert jobs.ended("hourly", 1)
        clock.offset = timedelta(hours=10)
        assert jobs.ended("hourly", 2)
        clock.offset = -DAY
        jobs.plan(hourly=clock.now() + timedelta(seconds=1) + DAY * 365)
        time.sleep(0.2)
    stores = open_archive(jobs.root)
    try:
        due_at = stores.catalog.jobs.states()["hourly"].due_at
    finally:
        stores.close()
    assert due_at is not None
    assert due_at <= clock.now() + timedelta(hours=1)
    assert [run.missed for run in jobs.runs("hourly")] == [9, 0]


def test_two_schedulers_never_do_the_same_work(jobs):
    jobs.add("quick", trigger="PT1S")
    with jobs.scheduled(), jobs.scheduled():
        assert jobs.ended("quick", 3)
    dues = [run.due_at for run in jobs.runs("quick")]
    assert len(set(dues)) == len(dues)


def test_a_stopped_one_leaves_its_place_to_the_next_at_once(jobs):
    jobs.add("quick", trigger="PT1S")
    with jobs.scheduled(timing=replace(QUICK, lease=timedelta(minutes=10))):
        assert jobs.ended("quick")
    with jobs.scheduled(timing=replace(QUICK, lease=timedelta(minutes=10))):
        assert jobs.ended("quick", 2)
