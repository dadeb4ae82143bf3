"""Rebuilding the catalog from the truths: the journal replayed, manifests opened with the keyring.

Nothing is read from shards, and nothing from volumes that answer slowly: the journal carries the manifests. Whatever
was at the catalog's place stays until the new one is complete.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from retention.catalog.catalog import Catalog
from retention.catalog.rebuilding import create_beside, discard, install
from retention.catalog.records import JournalPosition
from retention.journal.journal import Journal
from retention.keyring.keyring import Keyring
from retention.model.errors import StorageError
from retention.model.identifiers import ArchiveId
from retention.services import decisions
from retention.services.progress import Progress
from retention.services.projection import Projection, in_batches
from retention.services.successors import Successors


@dataclass(frozen=True, slots=True)
class RebuildReport:
    entries: int
    studies: int
    packages: int


def rebuild_catalog(
    url: str,
    root: Path,
    archive_id: ArchiveId,
    journal: Journal,
    keyring: Keyring,
    progress: Progress,
    *,
    now: datetime,
) -> RebuildReport:
    """Fill a new catalog from the whole journal, decide about every study, and put it in place.

    The commit lock must be held.

    Raises JournalBrokenError, KeyringBrokenError, CatalogError.
    """
    with suppress(StorageError):  # too few replicas to write to: what they have can still be read
        journal.settle()
    building = create_beside(url, archive_id, root=root)
    progress.begin("rebuild", None)
    try:
        _replay(building, journal, Projection(lambda: keyring, successors=Successors(journal, keyring)))
        decisions.refresh_catalog(building, now)
        counts = building.counts()
        install(building, url, root=root)
    except BaseException:
        discard(building, url, root=root)
        raise
    finally:
        progress.end()
    return RebuildReport(journal.size, counts.studies, counts.packages)


def _replay(building: Catalog, journal: Journal, projection: Projection) -> None:
    size = 0
    for batch in in_batches(journal.read()):
        size += len(batch)
        with building.transaction() as transaction:
            projection.apply(transaction, batch)
            hint = journal.position.to_bytes() if size == journal.size else b""
            transaction.advance(JournalPosition(size, hint))
