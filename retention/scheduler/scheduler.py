"""The loop: hold the lease, see what is due, start it, watch it, and stop when told to.

The invariants: only who holds the scheduler's lease starts anything; when a job is due, and that it ran, stands in the
catalog before and after, so that a scheduler that was killed is followed by one that goes on where it was; times that
passed meanwhile are counted and caught up on once. Long jobs and short ones have a lane each: a seal does not wait for
an audit.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from retention.archive import open_archive
from retention.catalog.jobs import Beginning, Jobs, JobState
from retention.catalog.leases import Lease
from retention.model.clock import Clock, SystemClock
from retention.model.errors import LockedError, RetentionError
from retention.model.layout import NEVER
from retention.scheduler.alarm import Alarm
from retention.scheduler.run import Due, Run
from retention.scheduler.triggers import Trigger, read_trigger
from retention.services.jobs.blackout import Blackout
from retention.services.jobs.job import Job, Work
from retention.services.jobs.running import lease_name, new_holder
from retention.services.jobs.standing import SCHEDULER, blackout_of, trigger_of, zone_of
from retention.services.jobs.table import JOBS
from retention.services.running import note_jump
from retention.services.stores import Stores

JUMP = timedelta(seconds=60)
"""The clock was set when it has gone on by so much more, or less, than time has."""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How quickly a scheduler acts. A lease bears several beats that come late, or not at all."""

    lease: timedelta = timedelta(seconds=60)
    beat_s: float = 10.0
    look_s: float = 10.0
    reload_s: float = 60.0
    stop_s: float = 540.0
    on_time: timedelta = timedelta(seconds=60)
    """What begins later than this after its time has missed it."""


class Scheduler:
    """Runs what is due until it is told to stop. One thread calls `run`; any may call `stop`."""

    def __init__(self, root: Path, clock: Clock, timing: Timing | None = None) -> None:
        self._root = root
        self._clock = clock
        self._timing = timing or Timing()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._holder = new_holder()
        self._stores: Stores | None = None
        self._lease: Lease | None = None
        self._runs: list[Run] = []
        self._triggers: dict[str, Trigger] = {}
        self._blackout = Blackout()
        self._loaded_s = self._beaten_s = float("-inf")
        self._seen = (clock.now(), clock.monotonic_s())
        self._is_told = False

    def stop(self) -> None:
        """Start nothing more, and let what is under way finish its present step. May be called by a signal."""
        self._stopped.set()
        self._wake.set()

    def run(self) -> None:
        """Run what is due until stopped. What goes wrong is said, and tried again."""
        with Alarm(self._wake.set) as alarm:
            while not self._stopped.is_set():
                try:
                    self._pass(alarm)
                except RetentionError as error:
                    LOG.warning("cannot go on now: %s", error.message)
                    self._loaded_s = float("-inf")
                self._wake.wait(self._timing.look_s)
                self._wake.clear()
        self._finish()

    def _pass(self, alarm: Alarm) -> None:
        """Do what there is to do now."""
        stores = self._load()
        jobs = stores.catalog.jobs
        self._notice_jump(stores)
        self._runs = [run for run in self._runs if not run.is_over]
        if not self._hold(jobs):
            return
        self._give_up_hung(jobs)
        planned = self._plan(jobs)
        for due in self._due(planned):
            self._start(jobs, due)
        now = self._clock.now()
        for name, due_at in planned.items():
            if due_at > now:
                alarm.set(name, due_at - now)

    # what it knows

    def _load(self) -> Stores:
        """Open the archive now and then: settings may have changed, and the catalog been made anew."""
        now_s = self._clock.monotonic_s()
        if self._stores is not None and now_s - self._loaded_s < self._timing.reload_s:
            return self._stores
        fresh = open_archive(self._root)
        if self._stores is not None:
            self._stores.close()
        self._stores, self._loaded_s = fresh, now_s
        fresh.clock = self._clock
        settings = fresh.settings
        zone, texts = zone_of(fresh), {job.name: trigger_of(settings, job) for job in JOBS.values()}
        self._triggers = {name: read_trigger(text, zone) for name, text in texts.items() if text != NEVER}
        self._blackout = blackout_of(fresh)
        return fresh

    def _notice_jump(self, stores: Stores) -> None:
        """Say so when the clock was set: what is due is looked at anew each time, so nothing else is to be done."""
        before_at, before_s = self._seen
        self._seen = now_at, now_s = self._clock.now(), self._clock.monotonic_s()
        jumped = (now_at - before_at) - timedelta(seconds=now_s - before_s)
        if abs(jumped) >= JUMP:
            LOG.warning("the clock was set by %.0f s", jumped.total_seconds())
            note_jump(stores, jumped)

    # who may

    def _hold(self, jobs: Jobs) -> bool:
        """Hold the lease, and those of what is under way; return whether it is this scheduler's turn."""
        now_s = self._clock.monotonic_s()
        if self._lease is not None and now_s - self._beaten_s < self._timing.beat_s:
            return True
        at, length = SystemClock().now(), self._timing.lease
        if self._lease is not None:
            try:
                lost = jobs.renew_leases([self._lease, *(run.lease for run in self._runs)], at, length)
            except LockedError:
                return True  # the catalog is busy; a lease bears that, and a fence tells whether it did
            self._beaten_s = now_s
            if self._lease not in lost:
                return True
            LOG.warning("another scheduler has taken over")
            self._lease = None
        self._lease = jobs.take_lease(SCHEDULER, self._holder, at, length)
        if self._lease is not None:
            self._beaten_s, self._is_told = now_s, False
            LOG.info("runs what is due, as %s", self._holder)
        elif not self._is_told:
            self._is_told = True
            LOG.info("another scheduler runs what is due; this one waits")
        return self._lease is not None

    # what is due

    def _plan(self, jobs: Jobs) -> dict[str, datetime]:
        """Return when each job that runs by itself is due, and note what had to be planned."""
        now, states = self._clock.now(), jobs.states()
        planned: dict[str, datetime] = {}
        changed: dict[str, datetime] = {}
        for name, trigger in self._triggers.items():
            state = states.get(name, JobState(name))
            if state.is_paused(now):
                continue
            if state.due_at is None:
                due_at = trigger.first(now)
            else:  # after a clock was set back, or a trigger was changed, it would be too far away
                next_at = trigger.following(state.due_at, now)
                due_at = state.due_at if next_at is None else min(state.due_at, next_at)
            if due_at is None:
                continue
            planned[name] = due_at
            if due_at != state.due_at:
                changed[name] = due_at
        if changed:
            jobs.plan(changed)
        return planned

    def _due(self, planned: dict[str, datetime]) -> list[Due]:
        """Return what is due and may begin, what waits longest first."""
        now = self._clock.now()
        running = {run.job.name for run in self._runs}
        rests = self._blackout.until(now) is not None
        found = [
            Due(JOBS[name], self._triggers[name], due_at, self._missed(JOBS[name], due_at, now))
            for name, due_at in planned.items()
            if due_at <= now and name not in running and not (rests and JOBS[name].rests)
        ]
        return sorted(found, key=lambda due: due.due_at)

    def _missed(self, job: Job, due_at: datetime, now: datetime) -> int:
        """Return how many times passed without the job; what rested then was not missed."""
        late = self._triggers[job.name].passed(due_at, now - self._timing.on_time)
        return sum(not (job.rests and self._blackout.until(at) is not None) for at in late)

    # what runs

    def _start(self, jobs: Jobs, due: Due) -> None:
        """Start a job if its lane is free and nobody else is at it."""
        job, at = due.job, SystemClock().now()
        if self._lease is None or any(run.job.is_long is job.is_long for run in self._runs):
            return
        lease = jobs.take_lease(lease_name(job), self._holder, at, self._timing.lease)
        if lease is None:
            return  # somebody runs it by hand
        beginning = Beginning(lease, self._clock.now(), due.due_at, due.missed)
        run_id = jobs.begin(job.name, beginning)
        if due.missed:
            LOG.warning("%s: missed %d times, and caught up now", job.name, due.missed)
        run = Run(
            due, run_id, (self._lease, lease), Work(self._clock, job.budget_s, lambda: self._must_end(job))
        )
        self._runs.append(run)
        run.start(self._root, self._clock, self._wake.set)

    def _must_end(self, job: Job) -> bool:
        if self._stopped.is_set() or self._lease is None:
            return True
        return job.rests and self._blackout.until(self._clock.now()) is not None

    def _give_up_hung(self, jobs: Jobs) -> None:
        now_s = self._clock.monotonic_s()
        for run in list(self._runs):
            silent_s = now_s - run.work.asked_s
            if silent_s > run.job.patience_s and not run.is_over:
                run.give_up(jobs, self._clock, silent_s)
                self._runs.remove(run)

    def _finish(self) -> None:
        """Let what is under way finish its present step, keeping its leases meanwhile; then give them back."""
        until_s = self._clock.monotonic_s() + self._timing.stop_s
        while self._runs and self._clock.monotonic_s() < until_s:
            with suppress(RetentionError):
                if self._stores is not None:
                    self._hold(self._stores.catalog.jobs)
            self._runs[0].wait(min(self._timing.beat_s, 1.0))
            self._runs = [run for run in self._runs if not run.is_over]
        if self._stores is not None:
            with suppress(RetentionError):
                for lease in filter(None, (self._lease, *(run.lease for run in self._runs))):
                    self._stores.catalog.jobs.release_lease(lease, SystemClock().now())
            self._stores.close()
