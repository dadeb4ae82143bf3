"""Progress on stderr: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading

from retention.cli.output import size_text
from retention.model.clock import SystemClock

LINE_EVERY_S = 5.0
BAR_EVERY_S = 0.2
BAR_WIDTH = 24


class ConsoleProgress:
    """Implements `retention.services.progress.Progress`."""

    def __init__(self, *, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._is_terminal = sys.stderr.isatty()
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._task, self._total, self._done = "", None, 0
        self._started_s = self._shown_s = 0.0
        self._was_shown = False

    _total: int | None

    def begin(self, task: str, total_bytes: int | None) -> None:
        self._task, self._total, self._done = task, total_bytes, 0
        self._started_s = self._shown_s = self._clock.monotonic_s()
        self._was_shown = False

    def advance(self, done_bytes: int) -> None:
        with self._lock:
            self._done += done_bytes
            now_s = self._clock.monotonic_s()
            if self._is_silent or now_s - self._shown_s < (BAR_EVERY_S if self._is_terminal else LINE_EVERY_S):
                return
            self._shown_s = now_s
            self._show(now_s)

    def end(self) -> None:
        if self._was_shown and self._is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _show(self, now_s: float) -> None:
        self._was_shown = True
        elapsed_s = max(now_s - self._started_s, 1e-6)
        rate = self._done / elapsed_s
        text = f"{self._task}: {size_text(self._done)}"
        if self._total:
            share = min(1.0, self._done / self._total)
            left_s = (self._total - self._done) / rate if rate else 0
            text = f"{self._task}: {share:4.0%} of {size_text(self._total)}"
            if self._is_terminal:
                filled = int(share * BAR_WIDTH)
                text = f"{self._task} [{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:4.0%}"
            text += f", {size_text(int(rate))}/s, {left_s:.0f} s left"
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
        else:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
