"""Packages and shards: what audits and repairs write, and the order in which audits read."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import pytest

from retention.catalog import paging
from retention.catalog.catalog import Catalog
from retention.catalog.records import PackageKind, QuarantinedRecord, ShardRecord, ShardState
from retention.model.errors import CatalogError, NotFoundError, WriteOnceError
from retention.model.findings import Health
from tests.catalog.making import (
    AT,
    COCHIN,
    COLD,
    DAY,
    HOT,
    digest,
    keep,
    package,
    package_id,
    quarantine,
    shards,
    study,
)

ITEM = QuarantinedRecord(0, "no-identity", "", "a.dcm", 5)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 3)


def ids(catalog: Catalog, **wanted) -> list[str]:
    return [held.package_id for held in catalog.all_packages(**wanted)]


def verify(catalog: Catalog, number: int, at, numbers=range(6)) -> None:
    with catalog.transaction() as tx:
        tx.record_verified({package_id(number): list(numbers)}, at)


@pytest.fixture
def aged(catalog: Catalog) -> Catalog:
    """Eight packages; number n was read back n days ago, the even ones are hot."""
    for number in range(8):
        keep(catalog, package(number, protection=COLD if number % 2 else HOT, created_at=AT - number * DAY))
    return catalog


def test_an_empty_catalog_has_no_packages(empty: Catalog):
    assert list(empty.all_packages()) == []
    assert list(empty.flawed_shards()) == []
    assert list(empty.quarantined()) == []


def test_packages_read_back_longest_ago_come_first(aged: Catalog):
    assert ids(aged) == [package_id(number) for number in range(7, -1, -1)]
    assert ids(aged, tier="cold") == [package_id(number) for number in (7, 5, 3, 1)]
    assert ids(aged, tier="glacier") == []


def test_kinds_are_listed_apart(aged: Catalog):
    keep(aged, quarantine(8, ITEM, created_at=AT - 3 * DAY), quarantine(9, ITEM, protection=HOT))
    assert ids(aged, kind=PackageKind.QUARANTINE) == [package_id(8), package_id(9)]
    assert ids(aged, kind=PackageKind.QUARANTINE, tier="hot") == [package_id(9)]
    assert ids(aged, kind=PackageKind.STUDY) == [package_id(number) for number in range(7, -1, -1)]
    assert len(ids(aged)) == 10


def test_an_audit_meets_every_package_once_although_it_changes_their_order(aged: Catalog):
    met = []
    for held in aged.all_packages():
        met.append(held.package_id)
        with aged.transaction() as tx:
            tx.record_verified({held.package_id: [shard.number for shard in held.shards]}, AT + DAY)
        keep(aged, package(100 + len(met), created_at=AT + DAY))
    assert met == [package_id(number) for number in range(7, -1, -1)]
    assert ids(aged)[:8] == [package_id(number) for number in range(8)]


def test_packages_of_one_instant_are_each_met_once(catalog: Catalog):
    keep(catalog, *(package(number) for number in range(8)))
    assert ids(catalog) == [package_id(number) for number in range(8)]


def test_a_superseded_package_is_in_no_list(catalog: Catalog):
    keep(
        catalog,
        package(1),
        package(2, study=study(1), supersedes=package_id(1), digests=((digest(1, 0), 0),)),
    )
    with catalog.transaction() as tx:
        tx.set_shards(package_id(1), [replace(shards(COLD)[0], state=ShardState.MISSING)])
    assert ids(catalog) == [package_id(2)]
    assert list(catalog.flawed_shards()) == []
    assert catalog.package(package_id(1)).is_superseded


def test_a_package_is_as_old_as_its_oldest_reading(catalog: Catalog):
    keep(catalog, package(1))
    verify(catalog, 1, AT + DAY, [0, 1, 2, 3, 4])
    assert catalog.package(package_id(1)).verified_at == AT
    verify(catalog, 1, AT + 2 * DAY, [5])
    assert catalog.package(package_id(1)).verified_at == AT + DAY


def test_a_shard_that_reads_back_whole_is_sound_whatever_was_believed(catalog: Catalog):
    keep(catalog, package(1))
    missing, corrupt = (
        replace(shards(COLD)[n], state=s) for n, s in ((1, ShardState.MISSING), (2, ShardState.CORRUPT))
    )
    with catalog.transaction() as tx:
        tx.set_shards(package_id(1), [missing, corrupt])
    assert catalog.package(package_id(1)).health is Health.DAMAGED
    verify(catalog, 1, AT + DAY)
    assert catalog.package(package_id(1)).health is Health.SOUND


def test_write_debt_cannot_be_read_back(catalog: Catalog):
    debt = ShardRecord(1, None, 1000, state=ShardState.UNPLACED)
    keep(catalog, package(1, protection=HOT, shards=(shards(HOT)[0], debt)))
    verify(catalog, 1, AT + DAY, [0, 1])
    assert catalog.shards_of(package_id(1)) == [replace(shards(HOT)[0], verified_at=AT + DAY), debt]
    assert catalog.package(package_id(1)).verified_at == AT + DAY


def test_a_repaired_shard_is_a_new_generation_elsewhere(catalog: Catalog):
    keep(catalog, package(1))
    repaired = ShardRecord(2, "hot-a", 1001, 4, ShardState.SOUND, AT + DAY)
    with catalog.transaction() as tx:
        tx.set_shards(package_id(1), [repaired])
    assert catalog.shards_of(package_id(1))[2] == repaired
    with pytest.raises(WriteOnceError, match="generation"), catalog.transaction() as tx:
        tx.set_shards(package_id(1), [replace(repaired, generation=3)])
    assert catalog.shards_of(package_id(1))[2] == repaired


def test_a_shard_found_bad_keeps_the_instant_it_was_last_good(catalog: Catalog):
    keep(catalog, package(1))
    with catalog.transaction() as tx:
        tx.set_shards(package_id(1), [replace(shards(COLD, None)[2], state=ShardState.CORRUPT)])
    assert catalog.shards_of(package_id(1))[2] == replace(shards(COLD)[2], state=ShardState.CORRUPT)


def test_debt_that_is_paid_is_no_longer_owed(catalog: Catalog):
    debt = ShardRecord(1, None, 1000, state=ShardState.UNPLACED)
    keep(catalog, package(1, protection=HOT, shards=(shards(HOT)[0], debt)), package(2))
    assert [(owed.package_id, owed.tier, owed.protection, owed.shard) for owed in catalog.debts()] == [
        (package_id(1), "hot", HOT, debt)
    ]
    with catalog.transaction() as tx:
        tx.set_shards(package_id(1), [shards(HOT)[1]])
    assert list(catalog.debts()) == []


def test_flawed_shards_are_listed_by_package_and_number(catalog: Catalog):
    keep(catalog, *(package(number) for number in range(4)))
    for number in range(4):
        bad = [
            replace(shards(COLD)[n], state=state)
            for n, state in ((5, ShardState.CORRUPT), (0, ShardState.MISSING))
        ]
        with catalog.transaction() as tx:
            tx.set_shards(package_id(number), bad)
    found = [(flaw.package_id, flaw.shard.number, flaw.shard.state) for flaw in catalog.flawed_shards()]
    assert found == [
        (package_id(number), *flaw)
        for number in range(4)
        for flaw in ((0, ShardState.MISSING), (5, ShardState.CORRUPT))
    ]
    corrupt = [(flaw.package_id, flaw.shard.number) for flaw in catalog.flawed_shards(ShardState.CORRUPT)]
    assert corrupt == [(package_id(number), 5) for number in range(4)]
    assert catalog.counts().flawed == {ShardState.MISSING: 4, ShardState.CORRUPT: 4}


def test_lost_is_said_and_taken_back(catalog: Catalog):
    keep(catalog, package(1))
    for lost, health in ((True, Health.LOST), (False, Health.SOUND)):
        with catalog.transaction() as tx:
            tx.set_lost(package_id(1), lost=lost)
        assert catalog.package(package_id(1)).health is health


def test_quarantined_items_are_listed_as_they_came(catalog: Catalog):
    items = tuple(replace(ITEM, ordinal=ordinal) for ordinal in range(5))
    keep(catalog, quarantine(7, *items), quarantine(3, ITEM, institution_id=COCHIN))
    every = [(package_id(7), ordinal) for ordinal in range(5)] + [(package_id(3), 0)]
    assert [(item.package_id, item.ordinal) for item in catalog.quarantined()] == every
    assert [(item.package_id, item.institution) for item in catalog.quarantined("cochin")] == [
        (package_id(3), "cochin")
    ]
    assert [item.received_at for item in catalog.quarantined("cochin")] == [AT]


NOWHERE = package_id(99)


@pytest.mark.parametrize(
    "step",
    [
        lambda tx: tx.record_verified({package_id(1): [0], NOWHERE: [0]}, AT),
        lambda tx: tx.set_shards(NOWHERE, shards(HOT)),
        lambda tx: tx.set_shards(package_id(1), [ShardRecord(17, "hot-a", 1)]),
        lambda tx: tx.set_lost(NOWHERE),
        lambda tx: tx.add_work("audit", NOWHERE, {}, AT),
    ],
    ids=["verified", "shards", "shard", "lost", "work"],
)
def test_what_is_not_there_is_not_written_to(catalog: Catalog, step):
    keep(catalog, package(1))
    with pytest.raises(NotFoundError), catalog.transaction() as tx:
        step(tx)


def test_what_is_not_there_is_not_found(catalog: Catalog):
    for ask in (catalog.package, catalog.shards_of):
        with pytest.raises(NotFoundError):
            ask(NOWHERE)


def test_a_shard_lies_on_a_known_volume(catalog: Catalog):
    keep(catalog, package(1))
    with pytest.raises(CatalogError, match="hot-z"), catalog.transaction() as tx:
        tx.set_shards(package_id(1), [ShardRecord(0, "hot-z", 1)])


def test_a_package_without_placed_shards_is_as_old_as_itself(catalog: Catalog):
    keep(catalog, package(1, protection=HOT, shards=(), created_at=AT - DAY))
    verify(catalog, 1, AT, [0])
    assert catalog.package(package_id(1)).verified_at == AT - DAY


def test_lists_stop_when_the_reader_does(aged: Catalog):
    for _ in aged.all_packages():
        break
    keep(aged, package(50))
    assert len(ids(aged)) == 9


def test_an_audit_ends_although_a_clock_was_ahead_once(aged: Catalog):
    """What is read back now would be met again and again, were the list as long as the future."""
    known = [package.package_id for package in aged.all_packages()]
    ahead = datetime(2099, 1, 1, tzinfo=UTC)
    with aged.transaction() as tx:
        tx.record_verified({known[-1]: [shard.number for shard in aged.shards_of(known[-1])]}, ahead)
    met = 0
    for found in islice(aged.all_packages(), 10 * len(known)):
        met += 1
        at = datetime(2031, 1, 1, 0, 0, met, tzinfo=UTC)
        with aged.transaction() as tx:
            tx.record_verified({found.package_id: [shard.number for shard in found.shards]}, at)
    assert len(known) <= met < 10 * len(known)


def test_tiers_that_nobody_names_are_counted(aged: Catalog):
    in_use = Counter(package.tier for package in aged.all_packages())
    assert aged.packages_elsewhere([]) == in_use
    assert aged.packages_elsewhere(list(in_use)) == {}
    first = min(in_use)
    assert aged.packages_elsewhere([tier for tier in in_use if tier != first]) == {first: in_use[first]}
