"""The inventory: every shard that lies somewhere, in the order of the names that volumes list."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retention.catalog import paging
from retention.catalog.catalog import Catalog
from retention.catalog.records import PlacedShard, ShardRecord, ShardState
from tests.catalog.making import COLD, HOT, keep, package, package_id, shards


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 3)


def test_an_empty_catalog_has_no_shards(empty: Catalog):
    assert list(empty.placed_shards()) == []


def test_shards_come_by_package_id_whatever_the_order_of_arrival(catalog: Catalog):
    for number in (7, 2, 9, 4, 1, 8, 3):
        keep(catalog, package(number, protection=HOT if number % 2 else COLD))
    found = list(catalog.placed_shards())
    assert [(shard.package_id, shard.number) for shard in found] == [
        (package_id(number), shard)
        for number in (1, 2, 3, 4, 7, 8, 9)
        for shard in range(2 if number % 2 else 6)
    ]
    assert found[0] == PlacedShard(package_id(1), 0, 0, "hot-a", 1000, is_leaving=False)


def test_what_lies_nowhere_is_not_among_them_and_what_is_flawed_is(catalog: Catalog):
    unplaced = replace(shards(HOT)[1], volume=None, state=ShardState.UNPLACED, verified_at=None)
    keep(catalog, package(1, protection=HOT, shards=(shards(HOT)[0], unplaced)))
    with catalog.transaction() as tx:
        tx.set_shards(package_id(1), [ShardRecord(0, "hot-b", 900, 3, ShardState.MISSING)])
    assert list(catalog.placed_shards()) == [PlacedShard(package_id(1), 0, 3, "hot-b", 900, is_leaving=False)]


def test_a_superseded_package_is_among_them_as_long_as_its_shards_are(catalog: Catalog):
    old = package(2, protection=HOT)
    new = replace(old, package_id=package_id(1), sequence=200, supersedes=old.package_id)
    keep(catalog, old, new)
    assert [shard.package_id for shard in catalog.placed_shards()] == [package_id(1)] * 2 + [
        package_id(2)
    ] * 2


def test_a_transaction_sees_the_shards_as_it_has_changed_them(catalog: Catalog):
    keep(catalog, package(1, protection=HOT))
    changed = ShardRecord(0, "hot-a", 1000, 1, ShardState.CORRUPT)
    with catalog.transaction() as tx:
        tx.set_shards(package_id(1), [changed])
        assert [(s.number, s.generation, s.state) for s in tx.shards_of(package_id(1))] == [
            (0, 1, ShardState.CORRUPT),
            (1, 0, ShardState.SOUND),
        ]
