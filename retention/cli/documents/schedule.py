"""The documents of `schedule …`: what runs by itself."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Instant


class JobRunDocument(TypedDict):
    """One run of a job."""

    started: Instant
    ended: Instant | None
    due: Instant | None
    """When it should have begun; null when somebody asked for it."""
    outcome: Literal["running", "done", "failed", "interrupted", "hung"]
    """`interrupted`: whoever ran it is gone; `hung`: it was given up."""
    numbers: dict[str, int]
    """What it did, in words of its own."""
    detail: str | None
    """What could not be done, and why."""
    missed: Count
    """How many times had passed before it ran."""
    left: bool
    """Whether it goes on with the rest later."""
    findings: bool
    """Whether somebody should look at what it found."""


class JobRow(TypedDict):
    """A job: when it runs, how it stands, how its last run went."""

    name: str
    what: str
    trigger: str
    """A duration (`PT1H`), five cron fields, or `never`."""
    state: Literal["waiting", "running", "late", "paused", "resting", "off", "unplanned"]
    """`resting`: due, in a blackout window; `unplanned`: no scheduler has looked at it yet."""
    due: Instant | None
    paused: Instant | None
    paused_until: Instant | None
    paused_by: str | None
    reason: str | None
    last: JobRunDocument | None


class SchedulerRow(TypedDict):
    """Who runs what is due; `alive` false when nobody does."""

    alive: bool
    holder: str | None


class ScheduleList(TypedDict):
    """What runs by itself."""

    jobs: list[JobRow]
    scheduler: SchedulerRow
    timezone: str
    blackout: list[str]


class ScheduleRun(TypedDict):
    """A job that was run now, and how that went."""

    jobs: list[JobRow]


class SchedulePause(TypedDict):
    """The job as it stands now."""

    jobs: list[JobRow]


class ScheduleResume(TypedDict):
    """The job as it stands now."""

    jobs: list[JobRow]
