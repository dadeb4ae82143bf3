"""When the machine is what is broken: repairs stop; when a disk is, they do not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.findings import FindingKind
from retention.services.audit import audit as audits
from retention.services.audit import doubt
from retention.services.audit.doubt import ENOUGH_SHARDS, Doubt
from tests.services.instances import OTHER_STUDY, STUDY
from tests.services.world import World, flip


def examined(bad: dict[int, FindingKind], volumes: int = 4) -> Any:
    shards = [SimpleNamespace(number=number, volume=f"v{number}") for number in range(volumes)]
    return SimpleNamespace(
        package=SimpleNamespace(shards=shards),
        read=dict.fromkeys(range(volumes), 10),
        findings={number: SimpleNamespace(kind=kind) for number, kind in bad.items()},
    )


def after(bad: dict[int, FindingKind], packages: int, stop_at: float = 0.25) -> str | None:
    judged = Doubt(stop_at)
    for _ in range(packages):
        judged.note(examined(bad))
    return judged.why()


CORRUPT = FindingKind.CORRUPT


@pytest.mark.parametrize("rotten", [{2}, {0, 3}, {1, 2}])
def test_rotten_disks_are_repaired_however_rotten(rotten: set[int]):
    assert after(dict.fromkeys(rotten, CORRUPT), 1000) is None


def test_damage_everywhere_is_not_believed():
    why = after(dict.fromkeys({0, 2, 3}, CORRUPT), 1000)
    assert why is not None
    assert "memory" in why


def test_volumes_that_were_hardly_read_vouch_for_nothing():
    judged = Doubt(0.25)
    judged.note(examined({}))
    for _ in range(500):
        judged.note(examined({0: CORRUPT, 1: CORRUPT}, volumes=2))
    assert judged.why() is not None


def test_a_few_readings_say_nothing():
    assert after({0: CORRUPT, 1: CORRUPT, 2: CORRUPT}, ENOUGH_SHARDS // 4 - 1) is None
    assert after({0: CORRUPT, 1: CORRUPT, 2: CORRUPT}, ENOUGH_SHARDS // 4 + 1) is not None


def test_what_is_missing_is_no_sign_of_bad_reading():
    assert after({0: FindingKind.MISSING, 1: FindingKind.MISSING, 2: FindingKind.MISPLACED}, 1000) is None


@given(st.lists(st.sets(st.integers(0, 3)), min_size=30, max_size=60))
def test_doubt_never_ends_within_a_run(bad: list[set[int]]):
    judged, was = Doubt(0.25), None
    for numbers in bad:
        judged.note(examined(dict.fromkeys(numbers, CORRUPT)))
        why = judged.why()
        assert was is None or why == was
        was = why


def test_a_doubtful_run_rewrites_nothing_and_says_why(held: World, monkeypatch):
    monkeypatch.setattr(doubt, "ENOUGH_SHARDS", 1)
    with held.opened() as stores:
        (hot,), (cold,) = stores.catalog.packages_of(STUDY), stores.catalog.packages_of(OTHER_STUDY)
    flip(held.shard(hot, 0), 300)
    for number in (0, 1, 2, 3):
        flip(held.shard(cold, number), 300)
    before = {name: digest for name, digest in held.digest().items() if name.endswith(".shard")}
    report = held.audit()
    assert report.repaired == 0 or report.lost == 0
    (machine,) = [finding for finding in report.findings if finding.subject == audits.MACHINE]
    assert "repairs have stopped" in machine.detail
    cold_now = {n: d for n, d in held.digest().items() if n.endswith(".shard") and cold.package_id in n}
    assert cold_now.items() <= before.items()
