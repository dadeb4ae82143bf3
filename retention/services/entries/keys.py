"""Entries about the archive's own keys: when they were shared out, tried and recovered. They hold no secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from retention.journal.envelope import Entry
from retention.model.clock import format_instant
from retention.services.entries.applying import Applying

KEYS_ESCROW = "keys.escrow"
KEYS_DRILL = "keys.drill"
KEYS_RECOVER = "keys.recover"


def apply(applying: Applying, entry: Entry) -> None:
    """Remember when it was done last."""
    applying.transaction.set_state(entry.envelope.action, format_instant(entry.envelope.at))


ACTIONS: Mapping[str, Callable[[Applying, Entry], None]] = {
    KEYS_ESCROW: apply,
    KEYS_DRILL: apply,
    KEYS_RECOVER: apply,
}
