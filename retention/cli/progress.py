"""Progress on stderr: a bar with rate and time left on a terminal, a line now and then elsewhere.

Both implement `retention.services.progress.Progress`; they may be told from any thread.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from retention.cli.text import has_colour, rate_text, size_text
from retention.model.clock import SystemClock
from retention.services.progress import NoProgress, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

FIRST_LINE_S = 5.0
LONGEST_PAUSE_S = 60.0
PAUSE_SHARE = 0.2
"""Lines become rarer as the work goes on: the next one after a fifth of the time that has passed."""


def console_progress(*, is_quiet: bool) -> Progress:
    """Return what suits stderr now."""
    if is_quiet:
        return NoProgress()
    return BarProgress() if sys.stderr.isatty() else LineProgress()


class LineProgress:
    """Plain lines, for logs."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._task = ""
        self._total_bytes: int | None = None
        self._done_bytes = 0
        self._began_s = self._next_s = 0.0

    def begin(self, task: str, total_bytes: int | None) -> None:
        self._task, self._total_bytes, self._done_bytes = task, total_bytes, 0
        self._began_s = self._clock.monotonic_s()
        self._next_s = self._began_s + FIRST_LINE_S

    def advance(self, done_bytes: int) -> None:
        with self._lock:
            self._done_bytes += done_bytes
            now_s = self._clock.monotonic_s()
            if now_s < self._next_s:
                return
            passed_s = now_s - self._began_s
            self._next_s = now_s + min(LONGEST_PAUSE_S, max(FIRST_LINE_S, passed_s * PAUSE_SHARE))
            line = progress_line(self._task, self._done_bytes, self._total_bytes, passed_s)
        print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Nothing is left on the screen to be removed."""


def progress_line(task: str, done_bytes: int, total_bytes: int | None, passed_s: float) -> str:
    """Say how far it is, how fast, and how long it will still take."""
    rate = rate_text(done_bytes, passed_s)
    if not total_bytes:
        return f"{task}: {size_text(done_bytes)}, {rate}"
    share = min(1.0, done_bytes / total_bytes)
    left_s = passed_s * (1 - share) / share if share else 0.0
    return f"{task}: {share:.0%} of {size_text(total_bytes)}, {rate}, {left_s:.0f} s left"


class BarProgress:
    """A bar that redraws itself and leaves nothing behind."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def begin(self, task: str, total_bytes: int | None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Bars

        self.end()
        console = Console(stderr=True, no_color=not has_colour(sys.stderr))
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Bars(*columns, console=console, transient=True, refresh_per_second=5)
        self._task = self._bars.add_task(task, total=total_bytes)
        self._bars.start()

    def advance(self, done_bytes: int) -> None:
        bars, task = self._bars, self._task
        if bars is not None and task is not None:
            bars.advance(task, done_bytes)

    def end(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
