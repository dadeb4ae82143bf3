"""How much a run may move, how fast, and for how long: so that moving never crowds out those who read and send."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock

from retention.model.clock import Clock

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """None is no limit. `max_bytes` counts as received, `rate_mb_s` what is read from volumes and written anew."""

    max_bytes: int | None = None
    rate_mb_s: float | None = None
    max_seconds: float | None = None


NO_LIMITS = Limits()


@dataclass(slots=True)
class Budget:
    """What is left of a run's limits. `spend` waits as long as the rate asks for."""

    limits: Limits
    clock: Clock
    taken_bytes: int = 0
    _spent_bytes: int = 0
    _started_s: float = field(init=False)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._started_s = self.clock.monotonic_s()

    @property
    def is_late(self) -> bool:
        """Whether nothing more is to be begun."""
        return self.limits.max_seconds is not None and self._elapsed_s() >= self.limits.max_seconds

    def take(self, size_bytes: int) -> bool:
        """Take a package of this size into the run; False if that is more than is left."""
        if self.is_late:
            return False
        if self.limits.max_bytes is not None and self.taken_bytes + size_bytes > self.limits.max_bytes:
            return False
        self.taken_bytes += size_bytes
        return True

    def spend(self, size_bytes: int) -> None:
        """Note bytes that were written, and wait until the rate allows more."""
        rate = self.limits.rate_mb_s
        if rate is None:
            return
        with self._lock:
            self._spent_bytes += size_bytes
            early_s = self._spent_bytes / (rate * MB) - self._elapsed_s()
        if early_s > 0:
            time.sleep(early_s)

    def _elapsed_s(self) -> float:
        return self.clock.monotonic_s() - self._started_s
