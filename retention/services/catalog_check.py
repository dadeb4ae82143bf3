"""Comparing the catalog with the truths it indexes: itself, the journal, and what lies on the volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from retention.catalog.records import CatalogProblem
from retention.model.errors import ObjectNotFoundError, StorageError
from retention.services.audit.beside import check_extra
from retention.services.stores import Stores
from retention.services.volumes import shard_key


@dataclass(slots=True)
class CatalogReport:
    studies: int = 0
    packages: int = 0
    problems: list[CatalogProblem] = field(default_factory=list)


def check_catalog(stores: Stores) -> CatalogReport:
    """Check the catalog; nothing is repaired (`audit run` and `catalog rebuild` do that)."""
    counts = stores.catalog.counts()
    report = CatalogReport(counts.studies, counts.packages)
    report.problems += stores.catalog.check()
    report.problems += _journal(stores)
    report.problems += _shards(stores)
    report.problems += [
        CatalogProblem(f"volume-{finding.kind.value}", f"{finding.volume}: {finding.subject}: {finding.detail}")
        for finding in check_extra(stores)
    ]
    return report


def _journal(stores: Stores) -> Iterator[CatalogProblem]:
    applied = stores.catalog.position().size
    if applied != stores.journal.size:
        yield CatalogProblem("journal-position", f"applied {applied} of {stores.journal.size} journal entries")


def _shards(stores: Stores) -> Iterator[CatalogProblem]:
    """Look for each shard where the catalog says it lies; only names and sizes, an audit reads them."""
    for package in stores.catalog.all_packages():
        for shard in package.shards:
            if shard.volume is None:
                yield CatalogProblem("write-debt", f"shard {shard.number} of {package.package_id} has no volume yet")
                continue
            key = shard_key(package.package_id, shard.number, shard.generation)
            try:
                size_bytes = stores.volumes[shard.volume].stat(key).size_bytes
            except ObjectNotFoundError:
                yield CatalogProblem("shard-missing", f"{shard.volume}: {key}")
            except StorageError as error:
                yield CatalogProblem("volume-unreachable", f"{shard.volume}: {key}: {error.message}")
            else:
                if size_bytes != shard.size_bytes:
                    yield CatalogProblem("shard-size", f"{shard.volume}: {key} has {size_bytes} bytes")
