"""Clean-up: what killed runs left, what has had its time, old notes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from retention.catalog.jobs import Beginning, Ending, JobOutcome
from retention.model.clock import RunningClock, SystemClock
from retention.services.cleaning import RUNS_KEPT, clean
from retention.services.sessions import FOLDER
from retention.services.volumes import shard_key
from retention.storage.directory import DirectoryVolume
from tests.services.move.moving import move_in
from tests.services.world import World

LATER = timedelta(days=2)


def never() -> bool:
    return False


def test_what_a_killed_run_left_is_removed(empty: World):
    with empty.opened() as stores:
        (empty.root / FOLDER).mkdir(exist_ok=True)
        (empty.root / FOLDER / "0123456789abcdef").write_text("")
        unfinished = empty.volume("hot-a") / "incoming" / "0123456789abcdef-1"
        unfinished.parent.mkdir(exist_ok=True)
        unfinished.write_bytes(b"half")
        assert clean(stores, stop=never).sessions == 1
    assert not unfinished.exists()


def test_what_has_had_its_time_goes(held: World):
    with held.opened() as stores:
        move_in(stores, "cold", stores.catalog.packages_of("1.2.840.99.1"))
        assert clean(stores, stop=never).dropped == 0
        stores.clock = RunningClock(SystemClock().now() + LATER)
        assert clean(stores, stop=never).dropped == 1


def test_what_somebody_else_hid_on_a_volume_stays_while_a_package_needs_it(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    package, *_ = held.packages()
    needed = shard_key(package.package_id, 0, package.shards[0].generation)
    replaced, unknown = shard_key(package.package_id, 0, 7), shard_key("0" * 32, 0, 0)
    asked: dict[str, bool] = {}

    def sweep(volume: DirectoryVolume, may_go: Callable[[str], bool]) -> int:
        if volume.name == package.shards[0].volume:
            asked.update({key: may_go(key) for key in (needed, replaced, unknown)})
        return 0

    monkeypatch.setattr(DirectoryVolume, "sweep", sweep)
    with held.opened() as stores:
        clean(stores, stop=never)
    assert asked == {needed: False, replaced: True, unknown: True}


def test_old_runs_are_forgotten(empty: World):
    with empty.opened() as stores:
        jobs, then = stores.catalog.jobs, SystemClock().now() - RUNS_KEPT - LATER
        lease = jobs.take_lease("job audit", "one", then, LATER)
        assert lease is not None
        for _ in range(2):
            jobs.end(jobs.begin("audit", Beginning(lease, then)), lease, Ending(then, JobOutcome.DONE))
        assert clean(stores, stop=never).runs == 1
