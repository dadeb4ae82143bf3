"""One run of a job, in a thread of its own with stores of its own.

Settings, volumes and catalog are opened anew each time: an edit of archive.yaml counts, and what one run has broken or
left open no other run meets. Whatever is written is fenced by the leases of the scheduler and of the job.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from retention.archive import open_archive, prepare_to_write
from retention.catalog.jobs import Ending, JobOutcome, Jobs
from retention.catalog.leases import Lease
from retention.model.clock import Clock, SystemClock
from retention.model.errors import RetentionError
from retention.scheduler.triggers import Trigger
from retention.services.jobs.job import Job, Work
from retention.services.jobs.running import execute, failed

RETRY_AFTER = timedelta(minutes=15)
"""When a job that failed is tried again, unless it is due before."""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """A job whose time has come, and how many times had passed before."""

    job: Job
    trigger: Trigger
    due_at: datetime
    missed: int


def code_of(error: Exception) -> str:
    return error.code if isinstance(error, RetentionError) else type(error).__name__


class Run:
    """A run under way. `fence`: the scheduler's lease and the job's own."""

    def __init__(self, due: Due, run_id: int, fence: tuple[Lease, Lease], work: Work) -> None:
        self.due = due
        self.fence = fence
        self.work = work
        self._run_id = run_id
        self._thread: threading.Thread | None = None
        self.is_over = False

    @property
    def job(self) -> Job:
        return self.due.job

    @property
    def lease(self) -> Lease:
        return self.fence[1]

    def start(self, root: Path, clock: Clock, over: Callable[[], None]) -> None:
        """Run it; `over` is called at its end, whatever happens."""

        def run() -> None:
            try:
                self._run(root, clock)
            finally:
                self.is_over = True
                over()

        self._thread = threading.Thread(target=run, name=f"job {self.job.name}", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout_s)

    def give_up(self, jobs: Jobs, clock: Clock, held_s: float) -> None:
        """Note that it hangs; should it ever go on, what it writes is refused."""
        at = clock.now()
        detail = f"it did not answer for {held_s:.0f} s, and was given up"
        ending = Ending(at, JobOutcome.HUNG, detail=detail, is_left=True)
        jobs.end(self._run_id, self.lease, replace(ending, due_at=self._next(ending)))
        jobs.take_lease_away(self.lease, SystemClock().now())
        LOG.warning("%s: %s", self.job.name, detail)

    def _run(self, root: Path, clock: Clock) -> None:
        try:
            with closing(open_archive(root)) as stores:
                stores.clock = clock
                stores.catalog.fence = self.fence
                prepare_to_write(stores)
                ending, error = execute(stores, self.job, self.work)
                self._note(stores.catalog.jobs, ending, error)
        except Exception as error:  # noqa: BLE001  # an archive that cannot be opened now stops no other job
            self._note_unopened(root, failed(clock, error), error)

    def _note_unopened(self, root: Path, ending: Ending, error: Exception) -> None:
        try:
            with closing(open_archive(root)) as stores:
                self._note(stores.catalog.jobs, ending, error)
        except RetentionError as again:
            LOG.warning("%s: %s", self.job.name, again.code)  # that it began and never ended is seen

    def _note(self, jobs: Jobs, ending: Ending, error: Exception | None) -> None:
        if not jobs.holds(self.fence):
            LOG.warning("%s: somebody else goes on with it", self.job.name)
            return
        jobs.end(self._run_id, self.lease, replace(ending, due_at=self._next(ending)))
        jobs.release_lease(self.lease, SystemClock().now())
        if error is None:
            did = ", ".join(f"{name} {number}" for name, number in ending.numbers.items() if number)
            LOG.info("%s: %s", self.job.name, did or "nothing was due")
        if (
            error is not None or ending.detail
        ):  # the text may name studies: it is for who may read the catalog
            what = "not all could be done" if error is None else f"failed ({code_of(error)})"
            LOG.warning("%s: %s; retention schedule list says more", self.job.name, what)

    def _next(self, ending: Ending) -> datetime:
        """Return when the job is due again: by its trigger, or before when something is left or went wrong."""
        again_at = ending.due_at
        if ending.outcome is not JobOutcome.DONE:
            again_at = ending.at + RETRY_AFTER
        times = [again_at, self.due.trigger.following(self.due.due_at, ending.at)]
        return min((time for time in times if time is not None), default=ending.at + timedelta(days=1))
