"""Rebuilding the catalog from the truths: the journal replayed, manifests opened with the keyring.

Nothing is read from shards, and nothing from volumes that answer slowly: the journal carries the manifests. Whatever was
at the catalog's place stays until the new one is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from retention.catalog.catalog import Catalog
from retention.catalog.rebuilding import create_beside, install
from retention.catalog.records import JournalPosition
from retention.journal.envelope import Entry
from retention.journal.journal import Journal
from retention.keyring.keyring import Keyring
from retention.model.identifiers import ArchiveId
from retention.services.events import Names
from retention.services.progress import Progress
from retention.services.projection import Projection

BATCH_ENTRIES = 2000


@dataclass(frozen=True, slots=True)
class RebuildReport:
    entries: int
    studies: int
    packages: int


def rebuild_catalog(
    url: str, root: Path, archive_id: ArchiveId, journal: Journal, keyring: Keyring, progress: Progress
) -> RebuildReport:
    """Fill a new catalog from the whole journal and put it in place. The commit lock must be held.

    Raises JournalBrokenError, KeyringBrokenError, CatalogError.
    """
    building = create_beside(url, archive_id, root=root)
    progress.begin("rebuild", None)
    try:
        _replay(building, journal, Projection(keyring, Names(keyring.index_key.secret)))
        counts = building.counts()
        install(building, url, root=root)
    finally:
        progress.end()
    return RebuildReport(journal.size, counts.studies, counts.packages)


def _replay(building: Catalog, journal: Journal, projection: Projection) -> None:
    entries: Iterator[Entry] = journal.read()
    size = 0
    while batch := list(islice(entries, BATCH_ENTRIES)):
        size += len(batch)
        with building.transaction() as transaction:
            projection.apply(transaction, batch)
            hint = journal.position.to_bytes() if size == journal.size else b""
            transaction.advance(JournalPosition(size, hint, ""))
