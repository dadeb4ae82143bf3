"""Whose catalog it is, and how far it has followed the journal."""

from __future__ import annotations

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.records import JournalPosition
from retention.model.errors import CatalogError, UsageError, WriteOnceError
from tests.catalog.making import ARCHIVE, package, package_id


def test_a_new_catalog_knows_its_archive_and_has_applied_nothing(empty: Catalog):
    assert empty.archive_id() == ARCHIVE
    assert empty.position() == JournalPosition(0, b"")


def test_the_position_comes_back(empty: Catalog):
    position = JournalPosition(12, b"\0\xff" * 40)
    with empty.transaction() as tx:
        tx.advance(position, expected_size=0)
        assert tx.position() == position
    assert empty.position() == position


def test_the_applied_journal_never_shrinks(empty: Catalog):
    with empty.transaction() as tx:
        tx.advance(JournalPosition(100, b"x"))
    with pytest.raises(WriteOnceError, match="shrinks"), empty.transaction() as tx:
        tx.advance(JournalPosition(99, b"y"))
    assert empty.position().size == 100


def test_a_committer_that_was_overtaken_is_told(empty: Catalog):
    with empty.transaction() as tx:
        tx.advance(JournalPosition(5, b""))
    with pytest.raises(CatalogError, match="5 journal entries, not 4"), empty.transaction() as tx:
        tx.advance(JournalPosition(6, b""), expected_size=4)
    assert empty.position().size == 5


def test_what_is_applied_and_how_far_stand_or_fall_together(catalog: Catalog):
    def step(*, fails: bool) -> None:
        with catalog.transaction() as tx:
            assert tx.record_package(package(1))
            tx.advance(JournalPosition(102, b""))
            if fails:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        step(fails=True)
    assert catalog.position().size == 0
    assert list(catalog.all_packages()) == []
    step(fails=False)
    assert catalog.position().size == 102
    assert [held.package_id for held in catalog.all_packages()] == [package_id(1)]


def test_named_values_are_kept_and_replaced(empty: Catalog):
    assert empty.state("recovery-stored") is None
    for value in ("no", "yes"):
        with empty.transaction() as tx:
            tx.set_state("recovery-stored", value)
    assert empty.state("recovery-stored") == "yes"


@pytest.mark.parametrize("name", ["archive_id", "journal_size", "journal_hint"])
def test_the_catalogs_own_names_are_not_a_callers_to_set(empty: Catalog, name):
    with pytest.raises(UsageError), empty.transaction() as tx:
        tx.set_state(name, "0")
