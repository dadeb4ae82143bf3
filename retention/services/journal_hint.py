"""Where the catalog stopped in the journal, as the journal understands it. Apart from `commit`, which needs much more:
every command asks this."""

from __future__ import annotations

from retention.catalog.records import JournalPosition
from retention.journal.position import Position


def hint_of(position: JournalPosition) -> Position | None:
    """Return the journal position the catalog remembers, to open the journal by."""
    try:
        return Position.from_bytes(position.hint)
    except ValueError:
        return None
