"""How every job stands: when it is due, whether it is late, how its last run went. Shown to people and the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from retention.catalog.jobs import JobOutcome, JobRun, JobState
from retention.catalog.leases import HeldLease
from retention.model.clock import SystemClock
from retention.model.layout import NEVER, ArchiveSettings
from retention.services.jobs.blackout import Blackout
from retention.services.jobs.job import Job
from retention.services.jobs.running import lease_name
from retention.services.jobs.table import JOBS
from retention.services.stores import Stores

SCHEDULER = "scheduler"
"""The lease of whoever runs what is due."""

LATE_AFTER = timedelta(minutes=15)
"""A job that was due so long ago and does not run is late: others may have to make room for it first."""

RESTS_AT_MOST = timedelta(days=7)
"""What rests longer than this has no time left to run in."""


class Stand(StrEnum):
    """How a job stands. `waiting`: until it is due; `resting`: due, in a blackout window; `off`: never runs by itself;
    `unplanned`: no scheduler has looked at it yet."""

    WAITING = "waiting"
    RUNNING = "running"
    LATE = "late"
    PAUSED = "paused"
    RESTING = "resting"
    OFF = "off"
    UNPLANNED = "unplanned"


@dataclass(frozen=True, slots=True)
class Standing:
    """One job. `is_failing`: its last run did not end as it should."""

    job: Job
    trigger: str
    state: JobState
    last: JobRun | None
    stand: Stand

    @property
    def is_late(self) -> bool:
        return self.stand is Stand.LATE

    @property
    def is_failing(self) -> bool:
        return self.last is not None and self.last.outcome in (JobOutcome.FAILED, JobOutcome.HUNG)


def trigger_of(settings: ArchiveSettings, job: Job) -> str:
    """Return when a job runs: as archive.yaml says, else as usual."""
    return settings.schedule.triggers.get(job.name, job.trigger)


def zone_of(stores: Stores) -> str:
    """Return the time zone of the schedule: its own, else that of all institutions if they share one, else UTC."""
    if stores.settings.schedule.timezone is not None:
        return stores.settings.schedule.timezone
    zones = {institution.spec.timezone for institution in stores.catalog.institutions()}
    return zones.pop() if len(zones) == 1 else "UTC"


def blackout_of(stores: Stores) -> Blackout:
    return Blackout.parse(stores.settings.schedule.blackout, zone_of(stores))


def standings(stores: Stores) -> list[Standing]:
    """Return how every job stands now."""
    jobs, now = stores.catalog.jobs, stores.clock.now()
    states, runs, blackout = jobs.states(), jobs.last_runs(), blackout_of(stores)
    found = []
    for job in JOBS.values():
        state, last = states.get(job.name, JobState(job.name)), runs.get(job.name)
        trigger = trigger_of(stores.settings, job)
        is_running = last is not None and last.ended_at is None and is_alive(jobs.lease(lease_name(job)))
        stand = Stand.RUNNING if is_running else _stand(job, trigger, state, blackout, now)
        found.append(Standing(job, trigger, state, last, stand))
    return found


def scheduler(stores: Stores) -> HeldLease | None:
    """Return who runs what is due; None when nobody does."""
    lease = stores.catalog.jobs.lease(SCHEDULER)
    return lease if is_alive(lease) else None


def is_alive(lease: HeldLease | None) -> bool:
    """Whether whoever took a lease holds it now. Leases are about processes: the machine's own clock counts."""
    return lease is not None and SystemClock().now() < lease.until_at


def _stand(job: Job, trigger: str, state: JobState, blackout: Blackout, now: datetime) -> Stand:
    if trigger == NEVER:
        return Stand.OFF
    if state.is_paused(now):
        return Stand.PAUSED
    if state.due_at is None:
        return Stand.UNPLANNED
    if job.rests and state.due_at <= now and blackout.until(now) is not None:
        return Stand.RESTING if now - state.due_at < RESTS_AT_MOST else Stand.LATE
    may_run_at = state.due_at
    if job.rests:
        may_run_at = blackout.until(may_run_at) or may_run_at
    return Stand.LATE if may_run_at + LATE_AFTER < now else Stand.WAITING
