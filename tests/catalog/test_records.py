"""How shards decide the health of a package."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.catalog.records import QuarantineItem, ShardRecord, ShardState, package_health
from retention.model.findings import Health
from retention.model.layout import Protection
from tests.catalog.making import AT, COLD, HOT, package_id

SOUND, MISSING, CORRUPT, UNPLACED = ShardState
STATES = st.lists(st.sampled_from(ShardState), min_size=1, max_size=9)


def shards(*states: ShardState) -> tuple[ShardRecord, ...]:
    return tuple(ShardRecord(n, None if s is UNPLACED else "v", 1, state=s) for n, s in enumerate(states))


@pytest.mark.parametrize(
    ("protection", "states", "health"),
    [
        (HOT, (SOUND, SOUND), Health.SOUND),
        (HOT, (SOUND, UNPLACED), Health.DEGRADED),
        (HOT, (MISSING, SOUND), Health.DEGRADED),
        (HOT, (SOUND, CORRUPT), Health.DAMAGED),
        (HOT, (MISSING, MISSING), Health.DAMAGED),
        (COLD, (SOUND,) * 6, Health.SOUND),
        (COLD, (MISSING, UNPLACED, *(SOUND,) * 4), Health.DEGRADED),
        (COLD, (MISSING, CORRUPT, *(SOUND,) * 4), Health.DAMAGED),
        (COLD, (MISSING, MISSING, MISSING, *(SOUND,) * 3), Health.DAMAGED),
    ],
)
def test_health_of_a_package(protection, states, health):
    assert package_health(protection, shards(*states), lost=False) is health


@given(STATES, st.integers(0, 4))
def test_only_an_audit_says_lost(states, parity):
    protection = Protection(max(1, len(states) - parity), parity)
    assert package_health(protection, shards(*states), lost=False) is not Health.LOST
    assert package_health(protection, shards(*states), lost=True) is Health.LOST


@given(STATES, st.integers(0, 4), st.data())
def test_a_shard_that_turns_bad_never_makes_a_package_healthier(states, parity, data):
    order = list(Health)
    protection = Protection(max(1, len(states) - parity), parity)
    at = data.draw(st.integers(0, len(states) - 1))
    worse = [*states[:at], CORRUPT, *states[at + 1 :]]
    before = package_health(protection, shards(*states), lost=False)
    after = package_health(protection, shards(*worse), lost=False)
    assert order.index(after) >= order.index(before)


def test_a_quarantined_item_is_named_by_its_package_and_place():
    item = QuarantineItem(package_id(1), 3, "necker", "no-identity", "", "x.dcm", 10, AT)
    assert item.item_id == f"{package_id(1)}-3"
