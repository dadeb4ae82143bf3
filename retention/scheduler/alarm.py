"""The alarm clock: rings when the next job is due. APScheduler, which remembers nothing here beyond that.

What rings late (the machine slept) is reported like what rings in time: what that means the catalog decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from apscheduler.events import EVENT_JOB_MISSED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from retention.model.clock import SystemClock

GRACE_S = 60
"""What rings later than this is a misfire: it rings all the same, by another way."""


class Alarm:
    """Calls `ring`, in a thread of its own. A context manager: it rings only in its block."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # what is late the scheduler says itself
        self._clock = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE_S},
            timezone="UTC",
        )
        self._clock.add_listener(lambda _: ring(), EVENT_JOB_MISSED)

    def set(self, name: str, after: timedelta) -> None:
        """Ring for a job after so long; whatever it was to ring for before is forgotten."""
        at = SystemClock().now() + after
        self._clock.add_job(self._ring, DateTrigger(at), id=name, replace_existing=True)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.shutdown(wait=False)
