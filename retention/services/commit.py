"""The commit: keys, then journal, then catalog, under one lock. No journal, no change (design §2.6, §2.8).

The journal entry is the commit. Keys are durable before it, so that no acknowledged package lacks its key; the catalog
follows in the same step, and whatever it missed (a crash in between) is caught up before anything else is appended.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from retention.catalog.records import JournalPosition
from retention.journal.envelope import Envelope, NewEntry
from retention.journal.position import Position
from retention.services.events import Names
from retention.services.projection import Projection
from retention.services.stores import Stores

CATCH_UP_ENTRIES = 1000


def append(stores: Stores, entries: Sequence[NewEntry]) -> list[Envelope]:
    """Append entries to the journal and apply them to the catalog, durably; return their envelopes.

    Raises LockedError when another process commits too long, StorageError when too few journal replicas answer: then
    nothing counts.
    """
    with stores.commit_lock.hold():
        return append_locked(stores, entries)


def append_locked(stores: Stores, entries: Sequence[NewEntry]) -> list[Envelope]:
    """As `append`, for a caller that holds the commit lock."""
    if stores.journal.size:  # else it was made a moment ago, by this process
        stores.journal.refresh()
        catch_up(stores)
    envelopes = stores.journal.append(entries)
    catch_up(stores)
    return envelopes


def catch_up(stores: Stores) -> int:
    """Apply to the catalog what the journal has and it has not; return how many entries. The lock must be held.

    Raises CatalogError when the catalog knows more than the journal: it belongs to another archive, or the journal lost
    its end.
    """
    behind = stores.journal.size - stores.catalog.position().size
    if behind == 0:
        return 0
    projection = Projection(stores.keyring, Names(stores.keyring.index_key.secret))
    entries = stores.journal.read(stores.catalog.position().size)
    while batch := list(islice(entries, CATCH_UP_ENTRIES)):
        is_last = batch[-1].envelope.seq + 1 == stores.journal.size
        with stores.catalog.transaction() as transaction:
            projection.apply(transaction, batch)
            hint = stores.journal.position.to_bytes() if is_last else b""
            transaction.advance(JournalPosition(batch[-1].envelope.seq + 1, hint, ""))
    return behind


def hint_of(position: JournalPosition) -> Position | None:
    """Return the journal position the catalog remembers, to open the journal by."""
    try:
        return Position.from_bytes(position.frontier)
    except ValueError:
        return None
