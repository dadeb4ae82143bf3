"""A job: a function of some service that does what is due of something, and says in numbers what it did.

How to write one: a function `name(stores, *, stop) -> outcome`. It does nothing when nothing is due. It asks `stop()`
at each step and ends soon when that is true; what is left is done by the next run. What it has committed counts, so it
may be killed at any moment. The outcome is a dataclass: its numbers are what `schedule list` shows. Then one line in
`table.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING

from retention.model.clock import Clock
from retention.services.stores import Stores

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did. `numbers`: in words of its own. `problems`: what could not be done, for people. `again_after`:
    something is left, and when to go on with it. `has_findings`: somebody should look at what was found."""

    numbers: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    again_after: timedelta | None = None
    has_findings: bool = False


class Work:
    """What a run may take: until `deadline`, and as long as nobody wants it to stop. Shared by the threads of a run.

    `asked_s` is when it last asked whether to stop, on the clock of durations: who never asks hangs.
    """

    def __init__(self, clock: Clock, budget_s: float, is_stopped: Callable[[], bool]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._is_stopped = is_stopped
        self.budget_s = budget_s
        self.asked_s = self._began_s = clock.monotonic_s()

    def stop(self) -> bool:
        """Whether to end after the present step."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            self.asked_s = now_s
        return self._is_stopped() or now_s - self._began_s >= self.budget_s

    def done(
        self,
        outcome: DataclassInstance,
        *,
        is_left: bool = False,
        problems: Iterable[str] = (),
        has_findings: bool = False,
    ) -> Done:
        """Return the numbers of an outcome as what a run did; with `is_left` it is gone on with at once."""
        numbers = {
            each.name: value
            for each in fields(outcome)
            if isinstance(value := getattr(outcome, each.name), int) and not isinstance(value, bool)
        }
        return Done(numbers, tuple(problems), AT_ONCE if is_left else None, has_findings)


@dataclass(frozen=True, slots=True)
class Job:
    """One thing that runs by itself.

    `trigger`: when, unless archive.yaml says otherwise. `rests`: not in blackout windows. `budget_s`: after so long it
    makes room for others, and goes on later. `patience_s`: when it has not asked to stop for so long, it hangs.
    """

    name: str
    trigger: str
    run: Callable[[Stores, Work], Done]
    rests: bool = False
    is_long: bool = False
    budget_s: float = 600.0
    patience_s: float = 3600.0
