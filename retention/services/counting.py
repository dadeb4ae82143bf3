"""What is counted of the journal's entries: each action, and what audits found."""

from __future__ import annotations

from collections.abc import Iterable

from retention.catalog.counters import ENTRIES, Count
from retention.catalog.transaction import Transaction
from retention.journal.envelope import Entry
from retention.services import events

ACTION = "action "
AUDITED = "audit packages"
FOUND = "audit findings"
LOST = "audit lost"
_OF_AUDITS = {AUDITED: "packages", FOUND: "findings", LOST: "lost"}


def count(transaction: Transaction, entries: Iterable[Entry]) -> None:
    """Count the entries that were not yet: those that are applied again change nothing."""
    counted = transaction.counters.counted()
    sums: dict[str, Count] = {}
    for entry in entries:
        envelope = entry.envelope
        if envelope.seq < counted:
            continue
        amounts = {ENTRIES: 1, ACTION + envelope.action: 1}
        if envelope.action == events.AUDIT_RUN:
            for name, member in _OF_AUDITS.items():
                value = envelope.data.get(member)
                amounts[name] = value if isinstance(value, int) else 0
        for name, amount in amounts.items():
            before = sums.get(name)
            sums[name] = Count(amount + (before.total if before else 0), envelope.at)
    transaction.counters.add(sums)
