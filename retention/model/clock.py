"""The one clock. Every instant and every day the archive writes or compares comes from here.

Nothing else in the program may read the system clock (a test proves it), so that twenty years can be rehearsed in a
minute, and so that a production archive cannot be told that it is later than it is.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where instants come from."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that only ever grow, for durations and rates."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()


class RehearsalClock:
    """A clock that shows a chosen instant; only rehearsal archives accept it."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a rehearsal clock needs an aware instant")
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def monotonic_s(self) -> float:
        return time.monotonic()


class RunningClock:
    """A clock that showed a chosen instant when it was made and goes on from there; for rehearsals that take time."""

    def __init__(self, at: datetime) -> None:
        self._offset = at.astimezone(UTC) - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def monotonic_s(self) -> float:
        return time.monotonic()


def format_instant(at: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC with microseconds: `2026-11-24T05:32:03.000000Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 instant or an ISO day; without an offset it is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
