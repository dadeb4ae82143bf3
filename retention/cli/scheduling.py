"""The scheduler as `serve` has it: a process beside the doors, or this process and nothing else."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from retention.cli.invocation import current

STOP_TIMEOUT_S = 60.0
"""How long what is under way may take for its present step; killed after that, it is gone on with at the next start."""


class SchedulerProcess:
    """Starts, watches and stops the scheduler of an archive."""

    def __init__(self, root: Path, as_of: str | None, tell: Callable[[str], None]) -> None:
        self._command = [sys.executable, "-m", "retention.scheduler", str(root)]
        self._command += [] if as_of is None else [as_of]
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # this program itself
            self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )

    def restart_dead(self) -> None:
        """Start it again when it has died."""
        if self._process is not None and self._process.poll() is not None:
            self._tell("scheduler_dead")
            self.begin_stop()
            self.start()

    def begin_stop(self) -> None:
        """Tell it to start nothing more."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Wait until what is under way has finished its step."""
        self.begin_stop()
        if self._process is None:
            return
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def run_scheduler() -> None:
    """Be the scheduler until a signal stops it."""
    from retention.scheduler.serving import scheduler_of
    from retention.services import logs

    level = logging.WARNING if current.is_quiet else logging.INFO
    if logs.is_json():
        logs.configure("scheduler", level)
    else:
        logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z")
    scheduler = scheduler_of(current.root(), current.instant())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: scheduler.stop())
    scheduler.run()
