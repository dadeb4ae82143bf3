"""The catalog's check of itself: silent on a sound one, and it finds what somebody did by hand."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.records import CatalogCounts, QuarantinedRecord, ShardState
from tests.catalog.making import (
    ARCHIVE,
    COLD,
    HOT,
    digest,
    keep,
    package,
    package_id,
    quarantine,
    shards,
    study,
)


@pytest.fixture
def full(catalog: Catalog) -> Catalog:
    keep(catalog, package(1, instances=3), package(2, study=study(1), protection=HOT), package(3))
    keep(catalog, package(4, study=study(3), supersedes=package_id(3), digests=((digest(3, 0), 0),)))
    keep(catalog, quarantine(5, QuarantinedRecord(0, "no-identity", "", "a.dcm", 5)))
    return catalog


def by_hand(file: Path, *statements: str) -> None:
    raw = sqlite3.connect(file)
    with raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()


def kinds(catalog: Catalog) -> set[str]:
    return {problem.kind for problem in catalog.check()}


def test_a_sound_catalog_has_no_problems(full: Catalog):
    assert full.check() == []


def test_neither_has_a_new_one(empty: Catalog):
    assert empty.check() == []


def test_counts_leave_out_what_is_superseded(full: Catalog):
    with full.transaction() as tx:
        tx.set_shards(package_id(1), [replace(shards(COLD)[0], state=ShardState.MISSING)])
    assert full.counts() == CatalogCounts(
        institutions=2,
        studies=2,
        series=3,
        instances=6,
        packages=4,
        quarantined=1,
        bytes_received=3000,
        bytes_stored=1800,
        flawed={ShardState.MISSING: 1},
    )


def test_an_empty_catalog_counts_nothing(empty: Catalog):
    assert empty.counts() == CatalogCounts(0, 0, 0, 0, 0, 0, 0, 0, {})


@pytest.mark.parametrize(
    ("kind", "statements"),
    [
        ("study-sums", ["UPDATE study SET instances = instances + 1 WHERE id = 1"]),
        ("study-sums", ["UPDATE study SET bytes_received = 0 WHERE id = 2"]),
        ("series-sums", ["UPDATE series SET instances = 9 WHERE id = 1"]),
        ("instance-count", ["DROP TRIGGER instance_kept", "DELETE FROM instance WHERE package_row = 1"]),
        (
            "shard-count",
            ["DROP TRIGGER shard_kept", "DELETE FROM shard WHERE package_row = 1 AND number = 5"],
        ),
        ("supersedes", ["DROP TRIGGER package_forward", "UPDATE package SET superseded_row = NULL"]),
        ("dangling", ["UPDATE shard SET volume_row = 99 WHERE package_row = 1 AND number = 0"]),
        ("schema", ["DROP TRIGGER package_kept"]),
        ("schema", ["DROP INDEX ix_study_due"]),
        ("schema", ["CREATE TRIGGER quiet AFTER INSERT ON study BEGIN SELECT 1; END"]),
    ],
)
def test_what_was_changed_by_hand_is_found(full: Catalog, file: Path, kind, statements):
    by_hand(file, *statements)
    assert kind in kinds(full)


def test_a_guard_that_was_weakened_is_found_by_name(full: Catalog, file: Path):
    weak = "CREATE TRIGGER package_kept BEFORE DELETE ON package WHEN FALSE BEGIN SELECT 1; END"
    by_hand(file, "DROP TRIGGER package_kept", weak)
    details = [problem.detail for problem in full.check()]
    assert any("package_kept" in detail for detail in details)


def test_damaged_pages_are_a_problem_and_not_an_exception(full: Catalog, file: Path):
    full.close()
    by_hand(file, "PRAGMA wal_checkpoint(TRUNCATE)")
    pages = bytearray(file.read_bytes())
    pages[3 * 4096 :] = bytes(len(pages) - 3 * 4096)
    file.write_bytes(pages)
    assert kinds(full) & {"damaged", "unreadable"}


def test_a_guard_that_is_gone_or_asleep_is_found(room: str):
    with Catalog.create(room, ARCHIVE) as catalog:
        assert catalog.check() == []
        with catalog._database.write() as connection:
            on = " ON package" if catalog._database.dialect == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TRIGGER package_frozen{on}")
        assert ["package_frozen" in found.detail for found in catalog.check()] == [True]
