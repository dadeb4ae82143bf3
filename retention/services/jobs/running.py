"""Running one job under its lease: what it commits counts only as long as the lease is this run's.

The invariants: a job is run by one process at a time, whoever asks for it; a run is noted before it begins, so one that
was killed is seen; and whatever a job raises ends that run and nothing else.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from retention.catalog.jobs import Beginning, Ending, JobOutcome, Jobs
from retention.catalog.leases import Lease
from retention.model.clock import Clock, SystemClock
from retention.model.errors import LockedError, RetentionError
from retention.model.identifiers import new_id
from retention.services.jobs.job import Done, Job, Work
from retention.services.stores import Stores

LEASE = timedelta(seconds=60)
BEAT_S = 10.0
DETAIL_CHARACTERS = 2000

Failed = tuple[Ending, Exception | None]


def new_holder() -> str:
    """Return a name for whoever runs jobs in this process, of which there is no second one."""
    return f"{os.getpid()}-{new_id()[:8]}@{socket.gethostname()}"


def lease_name(job: Job) -> str:
    return f"job {job.name}"


def run_by_hand(stores: Stores, job: Job, stop: Callable[[], bool] = lambda: False) -> Ending:
    """Run a job now, in this process; return how it ended. When it is due by itself stays as it was, unless something
    is left that can be gone on with before.

    Raises LockedError when it is running already, and what the job raises once that is noted.
    """
    jobs = stores.catalog.jobs
    lease = jobs.take_lease(lease_name(job), new_holder(), SystemClock().now(), LEASE)
    if lease is None:
        raise LockedError(
            f"{job.name} is being run already",
            hint="retention schedule list shows how far it is",
            job=job.name,
        )
    with _kept(jobs, lease):
        stores.catalog.fence = (lease,)
        run_id = jobs.begin(job.name, Beginning(lease, stores.clock.now()))
        ending, error = execute(stores, job, Work(stores.clock, job.budget_s, stop))
        ending = replace(ending, due_at=_sooner(jobs, job, ending))
        jobs.end(run_id, lease, ending)
    if error is not None:
        raise error
    return ending


def _sooner(jobs: Jobs, job: Job, ending: Ending) -> datetime | None:
    """Return when what is left is due, if a scheduler would come to it later only."""
    planned = jobs.states().get(job.name)
    due_at = None if planned is None else planned.due_at
    return ending.due_at if due_at and ending.due_at and ending.due_at < due_at else None


def execute(stores: Stores, job: Job, work: Work) -> Failed:
    """Run a job on stores that are fenced by its lease; return how it ended, and what it raised."""
    try:
        done = job.run(stores, work)
    except Exception as error:  # noqa: BLE001  # a job that fails, for whatever reason, stops no other
        return failed(stores.clock, error), error
    return _ending(stores.clock, done), None


def failed(clock: Clock, error: Exception) -> Ending:
    """Return the end of a run that raised something."""
    what = error.message if isinstance(error, RetentionError) else f"{type(error).__name__}: {error}"
    return Ending(clock.now(), JobOutcome.FAILED, detail=what[:DETAIL_CHARACTERS])


def _ending(clock: Clock, done: Done) -> Ending:
    at = clock.now()
    return Ending(
        at,
        JobOutcome.DONE,
        done.numbers,
        "; ".join(done.problems)[:DETAIL_CHARACTERS] or None,
        is_left=done.again_after is not None,
        has_findings=done.has_findings,
        due_at=None if done.again_after is None else at + done.again_after,
    )


@contextmanager
def _kept(jobs: Jobs, lease: Lease) -> Iterator[None]:
    """Renew a lease until the block ends, then give it back. What was lost is seen where something is written."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            try:
                jobs.renew_leases([lease], SystemClock().now(), LEASE)
            except RetentionError:
                continue  # the catalog was busy: the lease bears several such beats

    thread = threading.Thread(target=beat, name=f"lease of {lease.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        jobs.release_lease(lease, SystemClock().now())
