"""Jobs as the catalog keeps them: when each is due, who paused it, how its runs went, who may run it.

That a job is paused comes from the journal; the rest is what schedulers remember of their own work, and is no part of
the archive's truth: a rebuilt catalog begins it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from retention.catalog import leases
from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.job_tables import JOB, JOB_RUN
from retention.catalog.leases import HeldLease, Lease
from retention.catalog.places import next_row


class JobOutcome(StrEnum):
    """How a run went. `interrupted`: whoever ran it is gone; `hung`: it was given up."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class JobState:
    """When a job is due (None: to be planned), and whether somebody has paused it."""

    name: str
    due_at: datetime | None = None
    paused_at: datetime | None = None
    paused_until_at: datetime | None = None
    paused_by: str | None = None
    reason: str | None = None

    def is_paused(self, at: datetime) -> bool:
        return self.paused_at is not None and (self.paused_until_at is None or at < self.paused_until_at)


@dataclass(frozen=True, slots=True)
class Pause:
    """That somebody has stopped a job from running by itself."""

    job: str
    at: datetime
    until_at: datetime | None
    by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job. `due_at` is None when somebody asked for it; `missed` times had passed before it began."""

    run_id: int
    job: str
    due_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    outcome: JobOutcome
    numbers: Mapping[str, int]
    detail: str | None
    missed: int
    is_left: bool
    has_findings: bool


@dataclass(frozen=True, slots=True)
class Beginning:
    """A run that begins."""

    lease: Lease
    at: datetime
    due_at: datetime | None = None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `due_at`: when its job is due again, None to leave that as it is."""

    at: datetime
    outcome: JobOutcome
    numbers: Mapping[str, int] = field(default_factory=dict)
    detail: str | None = None
    is_left: bool = False
    has_findings: bool = False
    due_at: datetime | None = None


class Jobs:
    """What the catalog answers about jobs, and what schedulers write down. Each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def states(self) -> dict[str, JobState]:
        """What is known of each job that was ever planned or paused, by name."""
        with self._database.read() as connection:
            return {row.name: JobState(*row) for row in connection.execute(select(*JOB.c))}

    def last_runs(self) -> dict[str, JobRun]:
        """The last run of each job, by name: the one that is under way, if there is one."""
        last = select(func.max(JOB_RUN.c.id)).group_by(JOB_RUN.c.job)
        with self._database.read() as connection:
            found = connection.execute(select(JOB_RUN).where(JOB_RUN.c.id.in_(last)))
            return {row.job: _run(row) for row in found}

    def runs(self, job: str, limit: int = 50) -> list[JobRun]:
        """The runs of a job, the last one first."""
        wanted = select(JOB_RUN).where(JOB_RUN.c.job == job).order_by(JOB_RUN.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [_run(row) for row in connection.execute(wanted)]

    def plan(self, due: Mapping[str, datetime]) -> None:
        """Note when jobs are due."""
        with self._database.write(committer=False) as connection:
            for name, due_at in due.items():
                _put(connection, name, {"due_at": due_at})

    def begin(self, job: str, run: Beginning) -> int:
        """Note that a run begins; one that never ended was interrupted. Raises LockedError without its lease."""
        with self._database.write() as connection:
            leases.require(connection, [run.lease])
            left = JOB_RUN.c.job == job, JOB_RUN.c.ended_at.is_(None)
            over = {"ended_at": run.at, "outcome": JobOutcome.INTERRUPTED.value, "is_left": True}
            connection.execute(update(JOB_RUN).where(*left).values(**over))
            run_id = next_row(connection, JOB_RUN.c.id)
            connection.execute(
                insert(JOB_RUN).values(
                    id=run_id,
                    job=job,
                    token=run.lease.token,
                    due_at=run.due_at,
                    started_at=run.at,
                    outcome=JobOutcome.RUNNING.value,
                    numbers={},
                    missed=run.missed,
                    is_left=False,
                    has_findings=False,
                )
            )
            return run_id

    def end(self, run_id: int, lease: Lease, ending: Ending) -> None:
        """Note how a run ended. Raises LockedError when it has passed to somebody else."""
        with self._database.write(committer=False) as connection:
            leases.require(connection, [lease])
            values = {
                "ended_at": ending.at,
                "outcome": ending.outcome.value,
                "numbers": dict(ending.numbers),
                "detail": ending.detail,
                "is_left": ending.is_left,
                "has_findings": ending.has_findings,
            }
            connection.execute(update(JOB_RUN).where(JOB_RUN.c.id == run_id).values(**values))
            if ending.due_at is not None:
                name = select(JOB_RUN.c.job).where(JOB_RUN.c.id == run_id)
                _put(connection, str(connection.execute(name).scalar()), {"due_at": ending.due_at})

    def forget_runs(self, before: datetime) -> int:
        """Remove runs that ended before an instant, but the last of each job; return how many."""
        last = select(func.max(JOB_RUN.c.id)).group_by(JOB_RUN.c.job)
        old = JOB_RUN.c.ended_at < before, JOB_RUN.c.id.not_in(last)
        with self._database.write(committer=False) as connection:
            return connection.execute(delete(JOB_RUN).where(*old)).rowcount

    def take_lease(self, name: str, holder: str, at: datetime, length: timedelta) -> Lease | None:
        """As `leases.take`."""
        with self._database.write() as connection:
            return leases.take(connection, name, holder, at, length)

    def renew_leases(self, held: Sequence[Lease], at: datetime, length: timedelta) -> list[Lease]:
        """As `leases.renew`."""
        with self._database.write(committer=False) as connection:
            return leases.renew(connection, held, at, length)

    def take_lease_away(self, lease: Lease, at: datetime) -> None:
        """As `leases.take_away`."""
        with self._database.write(committer=False) as connection:
            leases.take_away(connection, lease, at)

    def release_lease(self, lease: Lease, at: datetime) -> None:
        """As `leases.release`."""
        with self._database.write(committer=False) as connection:
            leases.release(connection, lease, at)

    def holds(self, held: Sequence[Lease]) -> bool:
        """Whether all of these leases are still their holder's."""
        with self._database.read() as connection:
            return leases.are_held(connection, held)

    def lease(self, name: str) -> HeldLease | None:
        """As `leases.held`."""
        with self._database.read() as connection:
            return leases.held(connection, name)


class JobWriting:
    """What journal entries do to jobs, in one step of the committer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pause(self, pause: Pause) -> None:
        """Note that a job does not run by itself any more."""
        values = {
            "paused_at": pause.at,
            "paused_until_at": pause.until_at,
            "paused_by": pause.by,
            "reason": pause.reason,
        }
        _put(self._connection, pause.job, values)

    def resume(self, job: str) -> None:
        """Note that a job runs by itself again; it is planned anew, and what passed meanwhile was not missed."""
        names = ("due_at", "paused_at", "paused_until_at", "paused_by", "reason")
        _put(self._connection, job, dict.fromkeys(names))


def _put(connection: Connection, name: str, values: Mapping[str, Any]) -> None:
    if not connection.execute(update(JOB).where(JOB.c.name == name).values(**values)).rowcount:
        connection.execute(insert(JOB).values(name=name, **values))


def _run(row: AnyRow) -> JobRun:
    return JobRun(
        row.id,
        row.job,
        row.due_at,
        row.started_at,
        row.ended_at,
        JobOutcome(row.outcome),
        row.numbers,
        row.detail,
        row.missed,
        row.is_left,
        row.has_findings,
    )
