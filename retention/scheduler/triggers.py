"""When a job runs: every so often, or as five cron fields say, in the schedule's time zone. Pure.

Cron is read as cron is: Sunday is 0 and 7, and where both days of the month and of the week are given either will do.
APScheduler, which does the arithmetic, counts days of the week from Monday and wants both. A time that a change of
clocks skips comes right after the gap; one that comes twice is met twice, and the second time finds nothing due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from retention.settings.terms import duration_of

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MOST_PASSED = 1000
"""Occurrences that are counted at most: after years away the number says nothing more."""


class Trigger(Protocol):
    """When a job runs."""

    def first(self, now: datetime) -> datetime | None:
        """Return when a job runs that never did."""
        ...

    def following(self, due_at: datetime, now: datetime, /) -> datetime | None:
        """Return the first time after `now`, for a job that was due at `due_at`."""
        ...

    def passed(self, due_at: datetime, now: datetime) -> Iterator[datetime]:
        """Yield the times from `due_at` up to `now`, MOST_PASSED at most."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Every so often, beginning at once."""

    period: timedelta

    def first(self, now: datetime) -> datetime:
        return now

    def following(self, due_at: datetime, now: datetime) -> datetime:
        if due_at > now:
            return now + self.period
        return due_at + ((now - due_at) // self.period + 1) * self.period

    def passed(self, due_at: datetime, now: datetime) -> Iterator[datetime]:
        count = (now - due_at) // self.period + 1
        return (due_at + number * self.period for number in range(max(0, min(count, MOST_PASSED))))


@dataclass(frozen=True, slots=True)
class Cron:
    """As five cron fields say; `either` of these will do."""

    either: tuple[CronTrigger, ...]

    @classmethod
    def parse(cls, text: str, zone: tzinfo) -> Cron:
        """Read five fields that `terms.check_schedule` takes."""
        minute, hour, day, month, weekday = text.lower().split()
        when = {"minute": minute, "hour": hour, "month": month, "timezone": zone}
        of_week = {"day_of_week": _days_of_week(weekday)}
        if day != "*" and weekday != "*":
            return cls((CronTrigger(day=day, **when), CronTrigger(**of_week, **when)))
        return cls((CronTrigger(day=day, **of_week, **when),))

    def first(self, now: datetime) -> datetime | None:
        return self._after(now)

    def following(self, _due_at: datetime, now: datetime) -> datetime | None:
        return self._after(now)

    def passed(self, due_at: datetime, now: datetime) -> Iterator[datetime]:
        at: datetime | None = due_at
        for _ in range(MOST_PASSED):
            if at is None or at > now:
                return
            yield at
            at = self._after(at)

    def _after(self, at: datetime) -> datetime | None:
        found = [trigger.get_next_fire_time(None, at + timedelta(seconds=1)) for trigger in self.either]
        return min((time.astimezone(UTC) for time in found if time is not None), default=None)


def read_trigger(text: str, zone: str) -> Trigger:
    """Read what archive.yaml says of a job."""
    if text[:1] in "Pp":
        return Every(duration_of(text))
    return Cron.parse(text, ZoneInfo(zone))


def _days_of_week(field: str) -> str:
    """Return cron's days of the week as a list of names: that is read the same everywhere."""
    if field == "*":
        return field
    days: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = 0, 6
        else:
            begins, _, ends = span.partition("-")
            first = _day(begins)
            last = _day(ends) if ends else 6 if step else first
        days.update(range(first, last + 1, int(step or 1)))
    return ",".join(DAYS[day] for day in sorted({day % 7 for day in days}))


def _day(written: str) -> int:
    return int(written) if written.isdigit() else DAYS.index(written)
