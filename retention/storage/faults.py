"""Faults on order: the Nth call of an operation fails, once or for ever.

For tests of everything above a volume: the loop "fail the Nth call, N = 1, 2, …, until a run ends without a fault"
reaches every place where storage can let a caller down.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from dataclasses import dataclass

ANY = "any"


@dataclass(slots=True)
class Fault:
    """What a struck operation meets. `torn_bytes` of an append or write get through before it fails."""

    error: OSError
    torn_bytes: int


@dataclass(slots=True)
class _Order:
    operation: str
    wait: int
    fault: Fault
    forever: bool


class Faults:
    """Counts operations and strikes those that were ordered.

    Operations: `begin write seal publish flush open read stat list delete replace append truncate`, and `sync`,
    met within `replace`, `append`, `truncate` and `delete`. `calls` counts them, and how many were opened
    `from_medium`; `struck` counts the faults met.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.struck = 0
        self._orders: list[_Order] = []
        self._lock = threading.Lock()

    def fail(
        self,
        operation: str = ANY,
        *,
        nth: int = 1,
        error: int = errno.EIO,
        forever: bool = False,
        torn_bytes: int = 0,
    ) -> None:
        """Order that the `nth` call from now on fails with a system error (`forever`: all calls from that one on)."""
        fault = Fault(OSError(error, os.strerror(error)), torn_bytes)
        with self._lock:
            self._orders.append(_Order(operation, nth - 1, fault, forever))

    def heal(self) -> None:
        """Forget all orders."""
        with self._lock:
            self._orders.clear()

    def strike(self, operation: str) -> Fault | None:
        """Count a call and return the fault it is to meet."""
        with self._lock:
            self.calls[operation] += 1
            for order in self._orders:
                if order.operation not in (ANY, operation):
                    continue
                if order.wait:
                    order.wait -= 1
                    continue
                if not order.forever:
                    self._orders.remove(order)
                self.struck += 1
                return order.fault
        return None

    def meet(self, operation: str) -> None:
        """Count a call; raise the OSError it is to meet."""
        fault = self.strike(operation)
        if fault is not None:
            raise fault.error
