"""Making a scheduler for an archive: with the machine's clock, or on a rehearsal with one that begins elsewhere."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path

from retention.archive import open_archive
from retention.model.clock import RunningClock, SystemClock
from retention.scheduler.scheduler import Scheduler, Timing
from retention.services.running import note_start


def scheduler_of(root: Path, as_of: datetime | None, timing: Timing | None = None) -> Scheduler:
    """Return a scheduler. `as_of`: what its clock shows now; it goes on from there.

    Raises as `open_archive`: ClockRefusedError when this is no rehearsal.
    """
    with closing(open_archive(root, as_of=as_of)) as stores:
        clock = SystemClock() if as_of is None else RunningClock(as_of)
        note_start(stores, "scheduler")
    return Scheduler(root, clock, timing)
