"""Where the story is told: steps that are shown while they happen, and what each of them has to prove."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from retention.cli.invocation import current
from retention.cli.text import strong
from retention.model.clock import SystemClock

Show = Callable[[str], None]


@dataclass(slots=True)
class Step:
    """One thing that is done, and whether what it is to prove is proven."""

    key: str
    title: str
    proven: bool = False
    outcome: str = ""
    seconds: float = 0.0

    def prove(self, proven: bool, variant: str = "", **values: object) -> None:
        """Note what was measured; `variant` chooses another sentence for it."""
        self.proven = proven
        self.outcome = current.say(f"demo.{self.key}_outcome{variant}", **values)


@dataclass(slots=True)
class Stage:
    """Tells steps in their order, and remembers them."""

    show: Show
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, key: str, variant: str = "", /, **values: object) -> Iterator[Step]:
        """Begin a step: its title and its command (of which `variant` chooses another) are said first, how long it took
        is noted at the end.
        """
        clock = SystemClock()
        began_s = clock.monotonic_s()
        step = Step(key, current.say(f"demo.{key}_title", **values))
        self.steps.append(step)
        self.show("")
        self.show(strong(f"{len(self.steps)}. {step.title}"))
        self.say(f"{key}_command{variant}", **values)
        yield step
        step.seconds = clock.monotonic_s() - began_s

    def say(self, key: str, **values: object) -> None:
        self.show(f"   {current.say(f'demo.{key}', **values)}")
