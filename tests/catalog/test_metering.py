"""Sums by month, margins and stored objects: the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from retention.catalog import paging
from retention.catalog.catalog import Catalog
from retention.catalog.records import ShardState
from tests.catalog.making import AT, HOT, NECKER, keep, package, package_id, shards

LATER = AT + timedelta(days=400)


def test_what_came_in_counts_in_its_month(catalog: Catalog):
    keep(catalog, package(1, protection=HOT), package(2, protection=HOT))
    with catalog.figures() as figures:
        found = list(figures.metering(LATER).arrived())
        assert [(one.institution_id, one.month, one.exams) for one in found] == [(NECKER, "2026-11", 2)]
        assert list(figures.metering(AT).arrived()) == []
        assert [one.stored for one in figures.metering(LATER).stored()] == [stored_bytes(catalog)]
        assert list(figures.metering(LATER).recalled()) == []


def stored_bytes(catalog: Catalog) -> int:
    return sum(one.bytes_stored for one in catalog.all_packages())


def test_what_moved_away_leaves_its_tier_in_the_month_it_did(catalog: Catalog):
    old = package(1, protection=HOT)
    moved_at = AT + timedelta(days=40)
    new = replace(
        old,
        package_id=package_id(2),
        sequence=200,
        supersedes=old.package_id,
        tier="cold",
        created_at=moved_at,
    )
    keep(catalog, old, new)
    with catalog.figures() as figures:
        found = {(one.tier, one.month, one.stored > 0) for one in figures.metering(LATER).stored()}
        assert len(list(figures.metering(LATER).arrived())) == 1
    assert found == {(old.tier, "2026-11", True), (old.tier, "2027-01", False), ("cold", "2027-01", True)}


def test_how_many_may_still_fail(catalog: Catalog):
    bad = replace(shards(HOT)[1], state=ShardState.CORRUPT)
    keep(catalog, package(1, protection=HOT, shards=(shards(HOT)[0], bad)), package(2, protection=HOT))
    with catalog.figures() as figures:
        assert [(one.left, one.packages) for one in figures.margins()] == [(0, 1)]
        assert figures.series() > 0


@pytest.mark.parametrize("page", [1, 500])
def test_every_object_is_listed_once_with_what_it_is_part_of(catalog: Catalog, monkeypatch, page: int):
    monkeypatch.setattr(paging, "PAGE", page)
    keep(catalog, package(3, protection=HOT), package(1, protection=HOT))
    found = list(catalog.stored())
    assert [(one.package_id, one.number) for one in found] == [
        (package_id(number), shard) for number in (1, 3) for shard in (0, 1)
    ]
    assert {(one.institution, one.kind, one.state) for one in found} == {("necker", "study", "sound")}
    assert all(one.study_uid and one.created_at == AT for one in found)
    assert list(catalog.stored("cochin")) == []
