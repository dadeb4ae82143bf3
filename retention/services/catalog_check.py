"""Comparing the catalog with the truths it indexes: itself, the journal, and what lies on the volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from retention.catalog.records import CatalogProblem
from retention.model.errors import KeyUnavailableError
from retention.services import replicas
from retention.services.audit import extra
from retention.services.audit.extra import Difference, Discrepancy
from retention.services.stores import Stores


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
    report.problems += _replicas(stores)
    report.problems += _shards(stores)
    return report


def _journal(stores: Stores) -> Iterator[CatalogProblem]:
    applied = stores.catalog.position().size
    if applied != stores.journal.size:
        yield CatalogProblem(
            "journal-position", f"applied {applied} of {stores.journal.size} journal entries"
        )


def _replicas(stores: Stores) -> Iterator[CatalogProblem]:
    """What the catalog's packages need and the replicas of journal and keyring do not have."""
    for file in replicas.lacking_files(stores):
        yield CatalogProblem("replica-file", str(file))
    try:
        for key in replicas.keys_nowhere(stores):
            yield CatalogProblem("key-missing", f"no replica of the keyring has the key of {key.package_id}")
    except KeyUnavailableError as error:
        yield CatalogProblem("keyring-unchecked", error.message)


def _shards(stores: Stores) -> Iterator[CatalogProblem]:
    """Compare the catalog with what volumes list; only names and sizes, an audit reads the bytes."""
    for debt in stores.catalog.debts():
        yield CatalogProblem(
            "write-debt", f"shard {debt.shard.number} of {debt.package_id} has no volume yet"
        )
    for volume in stores.volumes:
        state = volume.probe()
        if not state.is_readable:
            yield CatalogProblem("volume-unreachable", f"{volume.name}: {state.value}")
    yield from map(_problem, extra.lasting(stores, extra.compare(stores)))


def _problem(found: Discrepancy) -> CatalogProblem:
    where = f"{found.volume}: {found.key}"
    match found.what:
        case Difference.MISSING:
            return CatalogProblem("shard-missing", where)
        case Difference.EXTRA:
            return CatalogProblem("shard-extra", where)
        case Difference.SIZE:
            return CatalogProblem("shard-size", f"{where} has {found.size_bytes} bytes")
