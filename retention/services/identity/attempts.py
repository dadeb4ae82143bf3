"""How often somebody failed to prove who he is, and for how long nobody is listened to after that.

The invariants: it is bounded, whoever asks (the least recent is forgotten first); what does not exist is counted as
what does, so that a lockout tells nobody which accounts there are; and failures are forgotten one by one, so that the
mistakes of many people behind one address do not add up for ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from retention.model.clock import Clock
from retention.model.errors import TooManyAttemptsError

KNOWN = 10_000
FORGOTTEN_AFTER_S = 3600.0
"""In which as many failures as are allowed are forgotten, evenly; all of them after as long without any."""

FIRST_LOCK_S = 60.0
LONGEST_LOCK_S = 900.0


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last_s: float = 0.0
    locked_until_s: float = 0.0


class Attempts:
    """Failures by key. Used by many threads."""

    def __init__(self, clock: Clock, allowed: int) -> None:
        self._clock = clock
        self._allowed = allowed
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def require_open(self, key: str) -> None:
        """Raise TooManyAttemptsError while nobody is listened to under this key."""
        with self._lock:
            found = self._failures.get(key)
            wait_s = 0.0 if found is None else found.locked_until_s - self._clock.monotonic_s()
        if wait_s > 0:
            raise TooManyAttemptsError(
                "too many attempts failed", hint="wait, then try again", retry_after_s=int(wait_s) + 1
            )

    def failed(self, key: str) -> None:
        """Count a failure; one too many closes the key, each further one for twice as long."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            found = self._failures.setdefault(key, _Failures())
            self._failures.move_to_end(key)
            since_s = now_s - found.last_s
            forgotten = self._allowed * since_s / FORGOTTEN_AFTER_S
            found.count = 0 if since_s > FORGOTTEN_AFTER_S else max(0, found.count - int(forgotten))
            found.count += 1
            found.last_s = now_s
            beyond = found.count - self._allowed
            if beyond >= 0:
                found.locked_until_s = now_s + min(FIRST_LOCK_S * 2 ** min(beyond, 8), LONGEST_LOCK_S)
            if len(self._failures) > KNOWN:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        with self._lock:
            self._failures.pop(key, None)
