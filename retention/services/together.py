"""Work that costs the same for one as for many: who asks while it is being done shares the next time (group commit)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(slots=True)
class _Waiting(Generic[Item]):
    item: Item
    done: Future[None] = field(default_factory=Future)


class Together(Generic[Item]):
    """Gathers items of many threads. There is no thread of its own: whoever comes first does the work for all."""

    def __init__(self) -> None:
        self._gathering = threading.Lock()
        self._working = threading.Lock()
        self._waiting: list[_Waiting[Item]] = []

    def do(self, item: Item, work: Callable[[Sequence[Item]], None]) -> None:
        """Return when `work` was done with this item, and others. Raises what that raised, to all of them."""
        mine = _Waiting(item)
        with self._gathering:
            self._waiting.append(mine)
        with self._working:
            if not mine.done.done():
                with self._gathering:
                    group, self._waiting = self._waiting, []
                try:
                    work([each.item for each in group])
                except BaseException as error:  # noqa: BLE001  # whoever waits has to be told, whatever it is
                    for each in group:
                        each.done.set_exception(error)
                else:
                    for each in group:
                        each.done.set_result(None)
        mine.done.result()
