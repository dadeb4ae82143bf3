"""Records for the tests of the catalog: an archive with one institution and eight volumes, and packages in it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from retention.catalog.catalog import Catalog
from retention.catalog.deciding import Decided, study_row_of
from retention.catalog.records import (
    InstitutionRecord,
    PackageKind,
    PackageRecord,
    QuarantinedRecord,
    SeriesRecord,
    ShardRecord,
    StudyRecord,
    VolumeRecord,
)
from retention.catalog.transaction import Transaction
from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, PackageId, VolumeId
from retention.model.layout import InstitutionSpec, Protection, VolumeSpec
from retention.model.states import StudyState

URL = "sqlite:///catalog.db"
ARCHIVE = ArchiveId("a" * 32)
NECKER = InstitutionId("1" * 32)
COCHIN = InstitutionId("2" * 32)
AT = datetime(2026, 11, 24, 5, 32, 3, 123456, tzinfo=UTC)
DAY = timedelta(days=1)
HOT = Protection.copies(2)
COLD = Protection(4, 2)
VOLUMES = ("hot-a", "hot-b", "cold-1", "cold-2", "cold-3", "cold-4", "cold-5", "cold-6")


def digest(*names: object) -> bytes:
    return hashlib.sha256(repr(names).encode()).digest()[:16]


def package_id(number: int) -> PackageId:
    return PackageId(f"{number:032x}")


def study_uid(number: int) -> str:
    return f"1.2.3.{number}"


def institution(
    institution_id: InstitutionId = NECKER, name: str = "necker", sequence: int = 0, **particulars: Any
) -> InstitutionRecord:
    return InstitutionRecord(institution_id, InstitutionSpec(name, **particulars), sequence)


def volume(name: str, sequence: int = 0, **changes: Any) -> VolumeRecord:
    spec = VolumeSpec(name, f"file:{name}", "paris", "disk-1")
    record = VolumeRecord(spec, VolumeId(digest(name).hex()), f"device of {name}", False, "ready", sequence)
    return replace(record, **changes)


def furnish(catalog: Catalog) -> None:
    with catalog.transaction() as tx:
        tx.record_institution(institution())
        tx.record_institution(institution(COCHIN, "cochin", 1))
        for number, name in enumerate(VOLUMES):
            tx.record_volume(volume(name, number + 2))


@cache
def furnished() -> bytes:
    """The file of a furnished SQLite catalog: copying it is much quicker than making one."""
    with tempfile.TemporaryDirectory() as folder:
        with Catalog.create(URL, ARCHIVE, root=Path(folder)) as catalog:
            furnish(catalog)
        return Path(folder, "catalog.db").read_bytes()


@contextmanager
def scratch() -> Iterator[Catalog]:
    """A furnished SQLite catalog of its own, quick to have: for tests that need hundreds."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "catalog.db").write_bytes(furnished())
        with Catalog.open(URL, root=Path(folder)) as catalog:
            yield catalog


def shards(protection: Protection, at: datetime | None = AT) -> tuple[ShardRecord, ...]:
    names = VOLUMES[:2] if protection.is_copies else VOLUMES[2:]
    return tuple(
        ShardRecord(number, names[number], 1000, verified_at=at) for number in range(protection.shards)
    )


def study(number: int = 1, **changes: Any) -> StudyRecord:
    record = StudyRecord(
        study_uid(number),
        PatientFacts(f"P{number}", "APHP", "DOE^JANE", "19600101", "F"),
        StudyFacts("20261101", "101500", "CT THORAX", f"A{number}", "HOPITAL NECKER", "RADIO"),
        AT,
    )
    return replace(record, **changes)


def series(uid: str = "1.2.3.4", modality: str | None = "CT", instances: int = 1) -> SeriesRecord:
    return SeriesRecord(uid, SeriesFacts(modality, "CHEST", "axial", "ACME"), instances)


def package(number: int = 1, **changes: Any) -> PackageRecord:
    """A package of study `number` with one instance on the cold tier, made by journal entry 100 + `number`."""
    protection = changes.get("protection", COLD)
    instances = changes.get("instances", 1)
    record = PackageRecord(
        package_id=package_id(number),
        institution_id=NECKER,
        sequence=100 + number,
        kind=PackageKind.STUDY,
        tier="hot" if protection.is_copies else "cold",
        protection=protection,
        format=1,
        instances=instances,
        bytes_received=500 * instances,
        bytes_stored=300 * instances,
        index_root=digest("root", number) * 2,
        manifest_digest=digest("manifest", number) * 2,
        key_id=KeyId(digest("key", number).hex()),
        created_at=AT,
        shards=shards(protection, changes.get("created_at", AT)),
        digests=tuple((digest(number, ordinal), ordinal) for ordinal in range(instances)),
        study=study(number),
        series=(series(f"{study_uid(number)}.9", instances=instances),),
    )
    return replace(record, **changes)


def quarantine(number: int, *items: QuarantinedRecord, **changes: Any) -> PackageRecord:
    count = len(items)
    digests = tuple((digest("quarantined", number, item.ordinal), item.ordinal) for item in items)
    given = {
        "kind": PackageKind.QUARANTINE,
        "study": None,
        "series": (),
        "instances": count,
        "digests": digests,
    }
    return package(number, **(given | {"quarantined": items} | changes))


def keep(catalog: Catalog, *records: PackageRecord) -> int:
    with catalog.transaction() as tx:
        return tx.record_packages(records)


def decide(
    tx: Transaction, uid: str, institution_id: InstitutionId, state: StudyState, keep_until_on: date | None
) -> None:
    """Write a decision as the engine does."""
    owner = tx._places.institution(institution_id)
    row = study_row_of(tx._connection, owner, uid)
    assert row is not None
    tx.deciding().record([Decided(row, state, "rules", 0, keep_until_on, None, None, None, None)])
