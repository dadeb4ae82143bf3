"""A clock that tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class MovableClock:
    """Shows what it is told; a rehearsal is no other. `monotonic_s` moves along."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._begin = at

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return (self.at - self._begin).total_seconds()


class ShiftedClock:
    """The machine's clock, as much later as a test wants."""

    def __init__(self) -> None:
        self.later = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.later

    def monotonic_s(self) -> float:
        return self.now().timestamp()
