"""kill -9 at any moment of a repair: every study is readable at every moment, and running again completes."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.bad_days.after import require_sound, require_whole_or_absent
from tests.bad_days.test_killed_ingest import KILLED
from tests.bad_days.victim import NEVER, Death, noted, run, start
from tests.services.instances import instance
from tests.services.world import World, flip

STUDIES = tuple(f"1.2.9.{number}" for number in range(3))
LAST_EFFECT = 165
SERIES: list[tuple[int, ...]] = [(1, 14, 30, 46, 75, 105, 130), (6, 22, 38, 60, 90, 120, 150)]
if os.environ.get("EVERY_MOMENT"):
    SERIES = [tuple(range(first, LAST_EFFECT + 20, 20)) for first in range(1, 21)]


@pytest.fixture
def damaged(empty: World) -> World:
    """Three packages on cold: one volume lost its shards, a second has a flipped byte in each."""
    for study in STUDIES:
        empty.send(f"{study}/1.dcm", instance(1, study=study, rows=32))
    empty.ingest(tier="cold")
    for path in empty.shards("cold-1"):
        path.unlink()
    for path in empty.shards("cold-4"):
        flip(path, 400)
    return empty


def audit(world: World) -> list[str]:
    return ["--archive", str(world.root), "--quiet", "audit", "run", "--all"]


def require_readable(world: World) -> None:
    assert require_whole_or_absent(world) == set(STUDIES)


@pytest.mark.parametrize("deaths", SERIES, ids=lambda deaths: f"from {deaths[0]}")
def test_killed_again_and_again_everything_stays_readable_and_is_repaired_in_the_end(
    damaged: World, deaths: tuple[int, ...]
):
    for nth in deaths:
        assert run(audit(damaged), Death(nth)) in (KILLED, 4, 0)
        require_readable(damaged)
    require_sound(damaged)


def test_the_moments_chosen_reach_over_the_whole_run(damaged: World, tmp_path: Path):
    assert run(audit(damaged), NEVER, tmp_path / "log") == 4
    (effects,) = noted(tmp_path / "log", "effects")
    assert LAST_EFFECT - 40 <= int(effects) <= LAST_EFFECT + 40


STEPS = [
    ("retention.services.sessions:Session.intend", 1),
    ("retention.services.audit.repair:rebuild", 1),
    ("retention.storage.directory_objects:DirectoryUpload.publish", 1),
    ("retention.services.volumes:VolumeReplica.append", 3),
    ("retention.services.commit:append_locked", 1),
    ("retention.storage.directory:DirectoryVolume.delete_many", 1),
    ("retention.services.audit.repair:Repair.repair", 2),
    ("retention.services.audit.audit:Audit.commit", 1),
]


@pytest.mark.parametrize(
    ("step", "nth"), STEPS, ids=[f"{step.rpartition(':')[2]}-{nth}" for step, nth in STEPS]
)
def test_killed_at_a_named_step(damaged: World, step: str, nth: int):
    assert run(audit(damaged), Death(nth, step)) == KILLED
    require_readable(damaged)


def test_between_commit_and_drop_both_generations_lie_there_and_the_next_start_drops_the_old(damaged: World):
    step = "retention.storage.directory:DirectoryVolume.delete_many"
    assert run(audit(damaged), Death(1, step, after=False)) == KILLED
    generations = {path.name.split(".")[2] for path in damaged.shards("cold-4")}
    assert generations == {"g0", "g1"}
    with damaged.opened():
        assert damaged.leftovers() == []


def test_killed_from_outside_at_any_time(damaged: World):
    chance = random.Random(os.environ.get("SEED", "1"))
    for _ in range(4):
        process = start(audit(damaged))
        time.sleep(chance.uniform(0.02, 0.3))
        if process.is_alive():
            process.kill()
        process.join()
        require_readable(damaged)
    require_sound(damaged)
