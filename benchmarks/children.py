"""Child processes, timed: wall clock, processor time and peak memory of each, all of it the child's own.

The parent stays small on purpose: Linux counts the memory of the process that started a child into the child's peak.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_NOT_INHERITED = ("RETENTION_", "RESTIC_", "PYTHON")


@dataclass(frozen=True, slots=True)
class Run:
    """One command: how long, how much processor time, how much memory, what it printed."""

    seconds: float
    cpu_s: float
    peak_bytes: int
    output: str
    code: int


def run(
    command: Sequence[str | Path],
    *,
    ok: Sequence[int] = (0,),
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run a command to its end. Raises RuntimeError with what it said when it ends with another code than `ok`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    with tempfile.TemporaryFile() as complaints:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=complaints,
            cwd=directory or PROJECT,
            env=inherited | dict(environment or {}),
        )
        assert process.stdout is not None
        output = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started_s
        process.stdout.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in ok:
            complaints.seek(0)
            said = (complaints.read().decode(errors="replace") + output)[-800:]
            raise RuntimeError(f"{' '.join(map(str, command))[:120]} ended with {process.returncode}: {said}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Run(seconds, cpu_s, usage.ru_maxrss * 1024, output, process.returncode)


def run_module(module: str, *arguments: str | Path) -> Run:
    """Run one of our own modules in a process of its own."""
    return run([sys.executable, "-m", module, *arguments])
