"""The work ledger: one holder at a time, and only the latest lease counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.records import WorkItem
from retention.model.errors import LockedError
from tests.catalog.making import AT, keep, package, package_id

HOUR = timedelta(hours=1)


@pytest.fixture
def busy(catalog: Catalog) -> Catalog:
    """Three pieces of work of one kind, and one of another."""
    keep(catalog, package(1))
    with catalog.transaction() as tx:
        assert [tx.add_work("repair", package_id(1), {"shard": n}, AT) for n in range(3)] == [1, 2, 3]
        tx.add_work("move", None, {"to": "cold"}, AT)
    return catalog


def lease(catalog: Catalog, holder: str = "a", at=AT, limit: int = 1, kind: str = "repair") -> list[WorkItem]:
    return catalog.lease_work(kind, holder, at, HOUR, limit)


def test_work_is_leased_oldest_first_with_all_it_needs(busy: Catalog):
    assert lease(busy) == [WorkItem(1, "repair", package_id(1), {"shard": 0}, 1, AT + HOUR)]
    assert lease(busy, kind="move") == [WorkItem(4, "move", None, {"to": "cold"}, 1, AT + HOUR)]


def test_what_is_leased_is_not_leased_again_until_the_lease_ends(busy: Catalog):
    assert [item.work_id for item in lease(busy, "a", limit=2)] == [1, 2]
    assert [item.work_id for item in lease(busy, "b", limit=9)] == [3]
    assert lease(busy, "c", AT + HOUR - timedelta(microseconds=1)) == []
    late = lease(busy, "c", AT + HOUR, limit=9)
    assert [(item.work_id, item.attempt) for item in late] == [(1, 2), (2, 2), (3, 2)]


def test_finished_work_is_never_leased_again(busy: Catalog):
    (item,) = lease(busy)
    busy.finish_work(item, "done")
    assert [other.work_id for other in lease(busy, at=AT + 9 * HOUR, limit=9)] == [2, 3]
    with pytest.raises(LockedError):
        busy.finish_work(item, "again")


def test_a_holder_who_slept_through_the_lease_changes_nothing(busy: Catalog):
    (stale,) = lease(busy, "a")
    (fresh,) = lease(busy, "b", AT + HOUR)
    assert fresh.work_id == stale.work_id
    with pytest.raises(LockedError):
        busy.finish_work(stale, "done")
    with pytest.raises(LockedError):
        busy.renew_work(stale, AT + 9 * HOUR)
    busy.finish_work(fresh, "done")


def test_a_lease_can_be_prolonged(busy: Catalog):
    (item,) = lease(busy)
    held = busy.renew_work(item, AT + 3 * HOUR)
    assert held.lease_until_at == AT + 3 * HOUR
    assert [other.work_id for other in lease(busy, "b", AT + 2 * HOUR, limit=9)] == [2, 3]
    busy.finish_work(held, "done")


def test_work_belongs_to_the_step_that_added_it(catalog: Catalog):
    def step() -> None:
        with catalog.transaction() as tx:
            tx.add_work("repair", None, {}, AT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        step()
    assert lease(catalog) == []
