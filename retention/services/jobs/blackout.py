"""When heavy work rests: windows such as `Mon-Fri 08:00-18:00`, in one time zone. Pure.

A window whose end is not after its beginning lasts into the next day (`Fri 22:00-06:00` ends on Saturday morning).
Hours are those on the wall: on the days when clocks change a window is an hour longer or shorter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(r"(\w{3})(?:-(\w{3}))? (\d\d:\d\d)-(\d\d:\d\d)\Z")
DAY = timedelta(days=1)
WEEK = 7


@dataclass(frozen=True, slots=True)
class Window:
    """On these days of the week (0: Monday) from `begins` to `ends`."""

    days: frozenset[int]
    begins: time
    ends: time

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read a window. Raises ValueError for what archive.yaml would not take."""
        found = _WINDOW.match(text)
        if found is None:
            raise ValueError(f"no window: {text}")
        first = DAYS.index(found[1])
        last = first if found[2] is None else DAYS.index(found[2])
        days = frozenset((first + n) % WEEK for n in range((last - first) % WEEK + 1))
        return cls(days, time.fromisoformat(found[3]), time.fromisoformat(found[4]))

    def end_of(self, local: datetime) -> datetime | None:
        """Return when the window that `local` lies in is over, None if it lies in none."""
        for began in (local, local - DAY):
            if began.weekday() not in self.days:
                continue
            begin = datetime.combine(began.date(), self.begins, local.tzinfo)
            over = begin if self.ends > self.begins else begin + DAY
            end = datetime.combine(over.date(), self.ends, local.tzinfo)
            if begin <= local < end:
                return end
        return None


@dataclass(frozen=True, slots=True)
class Blackout:
    """All windows of an archive."""

    windows: tuple[Window, ...] = ()
    zone: tzinfo = UTC

    @classmethod
    def parse(cls, texts: Iterable[str], zone: str) -> Blackout:
        return cls(tuple(map(Window.parse, texts)), ZoneInfo(zone))

    def until(self, at: datetime) -> datetime | None:
        """Return when work may go on, None if it may now. Windows that meet are one; a week of them never ends."""
        local = at.astimezone(self.zone)
        free = local
        while (end := self._end_of(free)) is not None:
            free = end
            if free - local > WEEK * DAY:
                break
        return None if free == local else free.astimezone(UTC)

    def _end_of(self, local: datetime) -> datetime | None:
        ends = [end for window in self.windows if (end := window.end_of(local)) is not None]
        return max(ends, default=None)
