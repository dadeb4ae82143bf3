"""How much work reading a head may cost, whatever the bytes say.

Every loop of this part draws on one `Budget`, so one call of `read_head` is bounded in bytes read, elements looked at,
nesting, inflated bytes and memory; passing a limit ends the walk, it never ends the program.
"""

from __future__ import annotations

from dataclasses import dataclass

from retention.model.errors import InputLimitError

_KIB = 1024
_MIB = 1024 * _KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What one `read_head` may spend.

    `head_bytes` are read from the source (values that are skipped cost nothing); `inflated_bytes` and `inflated_ratio`
    (inflated : deflated, from the first MiB on) bound a deflated data set; `nesting_depth` counts open sequences;
    a wanted value longer than `value_bytes` is no fact, and is left out.
    """

    head_bytes: int = 64 * _MIB
    element_count: int = 200_000
    nesting_depth: int = 64
    inflated_bytes: int = 64 * _MIB
    inflated_ratio: int = 200
    value_bytes: int = 64 * _KIB


DEFAULT = Limits()


class Budget:
    """What is left of the limits during one `read_head`. All its methods raise InputLimitError when a limit is passed.

    `elements` is one iterator shared by all loops over elements: `for _ in budget.elements` counts at no cost, and
    falls through to `no_elements_left` when none is left.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.elements = iter(range(limits.element_count))
        self._bytes_left = limits.head_bytes

    def spend_bytes(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise limit_passed(
                "limit-bytes", f"more than {self.limits.head_bytes} bytes read before pixel data"
            )

    def check_depth(self, depth: int) -> None:
        if depth > self.limits.nesting_depth:
            raise limit_passed("limit-depth", f"sequences nested more than {self.limits.nesting_depth} deep")

    def check_inflated(self, inflated: int, deflated: int) -> None:
        allowed = min(self.limits.inflated_bytes, max(_MIB, self.limits.inflated_ratio * deflated))
        if inflated > allowed:
            raise limit_passed("deflate-bomb", f"{deflated} deflated bytes inflate to more than {allowed}")

    def no_elements_left(self) -> InputLimitError:
        return limit_passed(
            "limit-elements", f"more than {self.limits.element_count} elements before pixel data"
        )


def limit_passed(reason: str, detail: str) -> InputLimitError:
    """The error that ends a walk; `reason` is the slug that a quarantined file is listed under."""
    return InputLimitError(detail, reason=reason)
