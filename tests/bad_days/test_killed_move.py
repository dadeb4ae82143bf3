"""kill -9 at any moment of a move: the study is readable at every moment, one form of it counts, and it completes."""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from retention.model.clock import RehearsalClock
from retention.services.lifecycle.planned import PlannedMove, write_plan
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from retention.storage.delayed import DelayedVolume
from retention.storage.volume import ONLINE
from tests.bad_days.after import require_sound, require_whole_or_absent
from tests.bad_days.test_killed_ingest import KILLED
from tests.bad_days.victim import NEVER, Death, noted, run, start
from tests.services.instances import instance
from tests.services.world import COLD, HOT, World

STUDIES = tuple(f"1.2.9.{number}" for number in range(3))
MOMENTS = int(os.environ.get("MOMENTS", "200" if os.environ.get("EVERY_MOMENT") else "5"))
EVERY_MOMENT = bool(os.environ.get("EVERY_MOMENT"))


@dataclass(frozen=True, slots=True)
class Route:
    """From which tier to which; about how many effects that has, and after which of them runs are killed."""

    source: str
    target: str
    volumes: tuple[str, ...]
    effects: int
    series: tuple[tuple[int, ...], ...]

    def deaths(self) -> tuple[tuple[int, ...], ...]:
        if not EVERY_MOMENT:
            return self.series
        return tuple(tuple(range(first, self.effects + 20, 20)) for first in range(1, 21))


TO_COLD = Route("hot", "cold", HOT, 210, ((1, 20, 45, 80, 110, 150, 185), (8, 30, 60, 95, 130, 165, 200)))
TO_GLACIER = Route("cold", "glacier", COLD, 130, ((15, 50, 75, 105),))
ROUTES = (TO_COLD, TO_GLACIER)
SERIES = [(route, deaths) for route in ROUTES for deaths in route.deaths()]


@pytest.fixture
def route() -> Route:
    return TO_COLD


@pytest.fixture
def aged(empty: World, route: Route, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three studies on one tier, and a plan to move them to another. Whoever looks needs not wait for a recall; whoever
    moves lives in another process, where the slow tier is slow."""
    monkeypatch.setattr(DelayedVolume, "_availability", lambda *_: ONLINE)
    settings = empty.root / "archive.yaml"
    settings.write_text(settings.read_text().replace("    from: {bytes: 1MiB}\n", ""))
    for study in STUDIES:
        for number in (1, 2):
            empty.send(f"{study}/{number}.dcm", instance(number, study=study, rows=32))
    empty.ingest(tier=route.source)
    moves = [PlannedMove(s, "necker", route.source, route.target, 1, "p/tiers") for s in STUDIES]
    write_plan(plan(empty), date(2030, 1, 1), moves)
    return empty


def plan(world: World) -> Path:
    return world.root.parent / "plan.json"


def apply(world: World) -> list[str]:
    return ["--archive", str(world.root), "--quiet", "lifecycle", "apply", str(plan(world))]


def tiers(world: World) -> dict[str, list[str]]:
    """Return where each study counts, and require that exactly one form of it does."""
    found: dict[str, list[str]] = {}
    for package in world.packages():
        found.setdefault(str(package.study_uid), []).append(package.tier)
    assert {study: len(forms) for study, forms in found.items()} == dict.fromkeys(STUDIES, 1)
    return found


def require_readable(world: World) -> None:
    assert require_whole_or_absent(world) == set(STUDIES)
    tiers(world)
    with world.opened(to_write=False) as stores:
        assert stores.catalog.check() == []


def completed(world: World, route: Route = TO_COLD) -> None:
    assert run(apply(world)) == 0
    assert set(map(tuple, tiers(world).values())) == {(route.target,)}
    require_sound(world)
    with world.opened() as stores:
        stores.clock = RehearsalClock(stores.clock.now() + GRACE)
        drop_due(stores)
    assert world.shards(*route.volumes) == []
    require_sound(world)


@pytest.mark.parametrize(
    ("route", "deaths"), SERIES, ids=[f"to {route.target} from {deaths[0]}" for route, deaths in SERIES]
)
def test_killed_again_and_again_everything_stays_readable_and_is_moved_in_the_end(
    aged: World, route: Route, deaths: tuple[int, ...]
):
    for nth in deaths:
        assert run(apply(aged), Death(nth)) in (KILLED, 0)
        require_readable(aged)
    completed(aged, route)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.target)
def test_the_moments_chosen_reach_over_the_whole_run(aged: World, route: Route, tmp_path: Path):
    assert run(apply(aged), NEVER, tmp_path / "log") == 0
    (effects,) = noted(tmp_path / "log", "effects")
    assert route.effects - 40 <= int(effects) <= route.effects + 40


STEPS = [
    ("retention.services.sessions:_make", 1),
    ("retention.catalog.catalog:Catalog.claim_work", 1),
    ("retention.services.uploads:ShardUpload.__init__", 9),
    ("retention.services.move.recode:_reseal", 2),
    ("retention.package.writer:PackageWriter.finish", 2),
    ("retention.services.sessions:Session.intend", 1),
    ("retention.storage.directory_objects:DirectoryUpload.publish", 10),
    ("retention.services.uploads:ShardUpload.read_back", 7),
    ("retention.keyring.keyring:Keyring.commit", 1),
    ("retention.services.volumes:VolumeReplica.append", 13),
    ("retention.journal.journal:Journal.append", 1),
    ("retention.services.commit:append_locked", 1),
    ("retention.catalog.catalog:Catalog.finish_work_of", 1),
]


@pytest.mark.parametrize(
    ("step", "nth"), STEPS, ids=[f"{step.rpartition(':')[2]}-{nth}" for step, nth in STEPS]
)
def test_killed_after_a_named_step(aged: World, step: str, nth: int):
    assert run(apply(aged), Death(nth, step)) == KILLED
    require_readable(aged)
    completed(aged)


DROPS = [
    ("retention.keyring.keyring:Keyring.forget", True),
    ("retention.storage.directory:DirectoryVolume.delete_many", False),
    ("retention.storage.directory:DirectoryVolume.delete_many", True),
    ("retention.services.commit:append_locked", False),
    ("retention.services.commit:append_locked", True),
]


@pytest.mark.parametrize(
    ("step", "after"), DROPS, ids=[f"{'after' if a else 'before'} {s.rpartition(':')[2]}" for s, a in DROPS]
)
def test_killed_while_older_forms_are_dropped(aged: World, step: str, after: bool):
    assert run(apply(aged)) == 0
    later = ["--archive", str(aged.root), "--quiet", "lifecycle", "run"]
    age_all(aged)
    assert run(later, Death(1, step, after=after)) == KILLED
    require_readable(aged)
    assert run(later) == 0
    assert aged.shards(*HOT) == []
    require_sound(aged)


def age_all(world: World) -> None:
    """Let the grace of every older form be over."""
    with world.opened() as stores, stores.catalog.transaction() as tx:
        for package in list(stores.catalog.leaving_packages(stores.clock.now() + GRACE)):
            tx.set_drop_at(package.package_id, stores.clock.now())


@pytest.mark.parametrize("route", ROUTES if EVERY_MOMENT else ROUTES[:1], ids=lambda route: route.target)
def test_killed_from_outside_at_any_time(aged: World, route: Route):
    chance = random.Random(os.environ.get("SEED", "1"))
    for _ in range(MOMENTS):
        process = start(apply(aged))
        time.sleep(chance.uniform(0.02, 0.3))
        if process.is_alive():
            process.kill()
        process.join()
        require_readable(aged)
    completed(aged, route)


def test_two_runs_at_once_move_each_study_once(aged: World):
    runs = [start(apply(aged)) for _ in range(2)]
    for process in runs:
        process.join()
    assert [process.exitcode for process in runs] == [0, 0]
    assert set(map(tuple, tiers(aged).values())) == {("cold",)}
    with aged.opened() as stores:
        moves = [e for e in stores.journal.read() if e.envelope.action == "package.move"]
    assert len(moves) == len(STUDIES)
    completed(aged)


def test_readers_read_on_while_a_study_moves(aged: World):
    """From before the move to after it, every export gives every byte."""
    stopped = threading.Event()
    counted: list[int] = []

    def read() -> None:
        while not stopped.is_set():
            counted.append(len(aged.export()))

    reader = threading.Thread(target=read)
    reader.start()
    assert run(apply(aged)) == 0
    stopped.set()
    reader.join()
    assert set(counted) == {6}
