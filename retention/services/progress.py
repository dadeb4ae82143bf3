"""How far long work is: what services tell whoever watches."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told from one thread or another; must be cheap."""

    def begin(self, task: str, total_bytes: int | None) -> None:
        """A task begins; `total_bytes` if its size is known."""
        ...

    def advance(self, done_bytes: int) -> None:
        """That many bytes more are done."""
        ...

    def end(self) -> None:
        """The task is over."""
        ...


class NoProgress:
    """Nobody watches."""

    def begin(self, task: str, total_bytes: int | None) -> None: ...

    def advance(self, done_bytes: int) -> None: ...

    def end(self) -> None: ...
