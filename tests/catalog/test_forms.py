"""Forms of a package: the older one in its grace, the copy for a time; and what is known when they are gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.records import PackageRecord, StudyFilter
from retention.model.errors import WriteOnceError
from tests.catalog.making import AT, DAY, HOT, digest, keep, package, package_id, study, study_uid

OLD = package(1, study=study(1), digests=((digest(1, 0), 0),))
NEW = replace(
    OLD, package_id=package_id(2), sequence=200, tier="glacier", supersedes=OLD.package_id, drop_at=AT + DAY
)


def copy_of(primary: PackageRecord, number: int = 7) -> PackageRecord:
    copied = package(number, protection=HOT, study=None, series=(), digests=())
    return replace(
        copied, tier="hot", instances=primary.instances, copy_of=primary.package_id, drop_at=AT + DAY
    )


def drop(catalog: Catalog, package: PackageRecord) -> None:
    with catalog.transaction() as tx:
        tx.forget_shards(package.package_id)


def test_what_was_moved_keeps_its_older_form_until_its_time(catalog: Catalog):
    keep(catalog, OLD, NEW)
    assert [p.package_id for p in catalog.forms_of(study_uid(1))] == [OLD.package_id, NEW.package_id]
    assert list(catalog.leaving_packages(AT)) == []
    (leaving,) = catalog.leaving_packages(AT + DAY)
    assert (leaving.package_id, leaving.is_superseded, leaving.drop_at) == (OLD.package_id, True, AT + DAY)
    drop(catalog, OLD)
    assert list(catalog.leaving_packages(AT + 9 * DAY)) == []
    assert [p.package_id for p in catalog.forms_of(study_uid(1))] == [NEW.package_id]
    assert (catalog.package(OLD.package_id).shards, catalog.check()) == ((), [])


def test_nothing_is_forgotten_of_a_package_in_force(catalog: Catalog):
    keep(catalog, OLD)
    with pytest.raises(WriteOnceError):
        drop(catalog, OLD)
    assert len(catalog.package(OLD.package_id).shards) == 6


def test_a_copy_adds_a_tier_to_its_study_and_nothing_else(catalog: Catalog):
    keep(catalog, OLD, NEW)
    before = catalog.study(study_uid(1)).summary
    keep(catalog, copy_of(NEW))
    (held,) = catalog.studies(StudyFilter())
    assert held == replace(before, tiers=("glacier", "hot"))
    assert catalog.counts().instances == OLD.instances
    assert [p.package_id for p in catalog.copies_of(NEW.package_id)] == [package_id(7)]
    assert catalog.check() == []


def test_a_copy_follows_what_it_is_a_copy_of(catalog: Catalog):
    keep(catalog, OLD, copy_of(OLD), NEW)
    assert catalog.copies_of(OLD.package_id) == []
    (copied,) = catalog.copies_of(NEW.package_id)
    assert copied.copy_of == NEW.package_id


def test_a_copy_that_is_gone_is_in_no_list(catalog: Catalog):
    keep(catalog, OLD, copy_of(OLD))
    drop(catalog, copy_of(OLD))
    assert [p.package_id for p in catalog.packages_of(study_uid(1))] == [OLD.package_id]
    assert [p.package_id for p in catalog.all_packages()] == [OLD.package_id]
    assert (catalog.copies_of(OLD.package_id), catalog.check()) == ([], [])


def test_the_time_of_a_copy_can_change_while_it_is_there(catalog: Catalog):
    keep(catalog, OLD, copy_of(OLD))
    with catalog.transaction() as tx:
        tx.set_drop_at(package_id(7), AT)
    assert [p.package_id for p in catalog.leaving_packages(AT)] == [package_id(7)]
    drop(catalog, copy_of(OLD))
    with catalog.transaction() as tx:
        tx.set_drop_at(package_id(7), AT + DAY)
    assert catalog.package(package_id(7)).drop_at is None
