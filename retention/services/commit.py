"""The commit: keys, then journal, then catalog, under one lock. No journal, no change (design §2.6, §2.8).

The journal entry is the commit. Keys are durable before it, so that no acknowledged package lacks its key. The catalog
is asked first and answers last: what it cannot take never gets into the journal, and what it could not make durable
(a crash, a full disk) it catches up on before anything else is appended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from retention.catalog.records import JournalPosition
from retention.journal.envelope import Entry, Envelope, NewEntry, PayloadReference
from retention.model.errors import CatalogError
from retention.model.identifiers import KeyId
from retention.services.projection import Projection, in_batches
from retention.services.stores import Stores


def append(stores: Stores, entries: Sequence[NewEntry]) -> list[Envelope]:
    """Append entries to the journal and apply them to the catalog, durably; return their envelopes.

    Raises LockedError when another process commits too long, and as `append_locked`.
    """
    with stores.commit_lock.hold():
        bring_up_to_date(stores)
        return append_locked(stores, entries)


def bring_up_to_date(stores: Stores) -> int:
    """Notice what other processes appended and apply it; return how many entries that were. The lock must be held.

    Raises JournalBrokenError, and CatalogError as `catch_up` does.
    """
    stores.journal.refresh()
    return catch_up(stores)


def append_locked(
    stores: Stores, entries: Sequence[NewEntry], keys: Mapping[KeyId, bytes] | None = None
) -> list[Envelope]:
    """As `append`, for a caller that holds the lock and has brought the archive up to date.

    `keys` are package and patient keys that the entries' payloads are under, as far as they are at hand.

    Raises CatalogError when the catalog cannot take an entry, StorageError when too few journal replicas answer: then
    nothing counts. A CatalogError can also come after the entries counted, when the catalog's disk is full: whoever
    has put anything on volumes leaves it there, the next start knows.
    """
    with stores.catalog.transaction() as transaction:
        _projection(stores, keys).apply(transaction, _foreseen(entries, stores.journal.size))
        envelopes = stores.journal.append(entries)
        transaction.advance(JournalPosition(stores.journal.size, stores.journal.position.to_bytes()))
    return envelopes


def catch_up(stores: Stores) -> int:
    """Apply to the catalog what the journal has and it has not; return how many entries. The lock must be held.

    Raises CatalogError when the catalog knows more than the journal: it belongs to another archive, or the journal lost
    its end.
    """
    known = stores.catalog.position().size
    behind = stores.journal.size - known
    if behind < 0:
        raise CatalogError(
            f"the catalog has applied {known} journal entries, the journal has {stores.journal.size}",
            hint="bring back the volumes that carry the journal; if it is right as it is, retention catalog rebuild",
        )
    if behind == 0:
        return 0
    projection, size = _projection(stores), known
    for batch in in_batches(stores.journal.read(known)):
        size += len(batch)
        with stores.catalog.transaction() as transaction:
            projection.apply(transaction, batch)
            hint = stores.journal.position.to_bytes() if size == stores.journal.size else b""
            transaction.advance(JournalPosition(size, hint))
    return behind


def _projection(stores: Stores, keys: Mapping[KeyId, bytes] | None = None) -> Projection:
    return Projection(lambda: stores.keyring, keys)


def _foreseen(entries: Sequence[NewEntry], seq: int) -> Iterator[Entry]:
    """Yield the entries as they will be read once they count, as far as the catalog looks at them."""
    for number, entry in enumerate(entries, seq):
        envelope = Envelope(
            number,
            entry.at,
            entry.actor,
            entry.action,
            entry.institution,
            entry.objects,
            entry.data,
            _reference(entry),
            b"",
        )
        yield Entry(envelope, b"", entry.payload)


def _reference(entry: NewEntry) -> PayloadReference | None:
    """Return what the envelope will say of the payload; its digest is made with the salt, when it is written."""
    if entry.payload is None:
        return None
    return PayloadReference(b"", len(entry.payload), entry.payload_key)
