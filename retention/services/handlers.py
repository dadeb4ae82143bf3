"""What happens when a request of each kind is approved: the one list.

A kind's module is loaded when a request of it is decided, so that approvals need not know what they are about.
"""

from __future__ import annotations

from collections.abc import Callable

from retention.model.errors import RefusedError
from retention.services.approvals import Handler


def _release() -> Handler:
    from retention.services import holds

    return holds.released


def _fact() -> Handler:
    from retention.services.facts.second import approved

    return approved


def _policy() -> Handler:
    from retention.services import policy_changes

    return policy_changes.approved


def _config() -> Handler:
    from retention.services import config

    return config.approved


def _disposal() -> Handler:
    """An approved disposal happens when somebody executes it: its last signature changes nothing else."""
    return lambda _stores, _request: ()


_HANDLERS: dict[str, Callable[[], Handler]] = {
    "hold-release": _release,
    "policy": _policy,
    "config": _config,
    "disposal": _disposal,
    "fact": _fact,
}


def handler_of(kind: str) -> Handler:
    """Return what is done for an approved request. Raises RefusedError for a kind that this program does not know."""
    if kind not in _HANDLERS:
        raise RefusedError(
            f"this program does not know what a {kind} is", hint="a newer version asked for it: upgrade"
        )
    return _HANDLERS[kind]()
