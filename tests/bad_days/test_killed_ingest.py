"""kill -9 at any moment of an ingest: what was acknowledged is whole, the rest is absent, running again completes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bad_days.after import require_sound, require_whole_or_absent
from tests.bad_days.victim import NEVER, Death, noted, run, start
from tests.services.instances import instance, unidentified
from tests.services.world import World

STUDIES = tuple(f"1.2.9.{number}" for number in range(5))
KILLED = -9
LAST_EFFECT = 330
SERIES: list[tuple[int, ...]] = [(1, 5, 70, 150, 200, 260, 300), (3, 40, 110, 175, 230, 290, 320)]
if os.environ.get("EVERY_MOMENT"):
    SERIES = [tuple(range(first, LAST_EFFECT + 40, 40)) for first in range(1, 41)]


@pytest.fixture
def sent(empty: World) -> World:
    """Five studies of two instances; of one series the heads share a dictionary."""
    for study in STUDIES:
        for number in (1, 2):
            empty.send(f"{study}/{number}.dcm", instance(number, study=study, rows=32))
    return empty


def ingest(world: World, tier: str = "cold") -> list[str]:
    archive = ["--archive", str(world.root), "--quiet"]
    return [*archive, "ingest", str(world.source), "--institution", "necker", "--tier", tier]


def completed(world: World) -> None:
    assert run(ingest(world)) == 0
    assert require_whole_or_absent(world) == set(STUDIES)
    require_sound(world)


@pytest.mark.parametrize("deaths", SERIES, ids=lambda deaths: f"from {deaths[0]}")
def test_killed_again_and_again_it_loses_nothing_and_completes_in_the_end(
    sent: World, tmp_path: Path, deaths: tuple[int, ...]
):
    acknowledged: set[str] = set()
    for nth in deaths:
        log = tmp_path / f"log-{nth}"
        code = run(ingest(sent), Death(nth), log)
        acknowledged |= set(noted(log, "acknowledged"))
        held = require_whole_or_absent(sent, acknowledged)
        assert code == KILLED or held == set(STUDIES)
    completed(sent)


def test_the_moments_chosen_reach_over_the_whole_run(sent: World, tmp_path: Path):
    """Were the run to grow, the series above would have to."""
    assert run(ingest(sent), NEVER, tmp_path / "log") == 0
    (effects,) = noted(tmp_path / "log", "effects")
    assert LAST_EFFECT - 40 <= int(effects) <= LAST_EFFECT + 40


STEPS = [
    ("retention.services.sessions:_make", 1),
    ("retention.services.uploads:ShardUpload.__init__", 9),
    ("retention.storage.directory_objects:DirectoryUpload.write", 14),
    ("retention.services.sessions:Session.intend", 1),
    ("retention.storage.directory_objects:DirectoryUpload.seal", 3),
    ("retention.storage.directory_objects:DirectoryUpload.publish", 20),
    ("retention.storage.names:Names.flush", 4),
    ("retention.services.uploads:ShardUpload.read_back", 7),
    ("retention.keyring.keyring:Keyring.commit", 1),
    ("retention.services.volumes:VolumeReplica.append", 17),
    ("retention.journal.journal:Journal.append", 2),
    ("retention.services.commit:append_locked", 2),
]


@pytest.mark.parametrize(
    ("step", "nth"), STEPS, ids=[f"{step.rpartition(':')[2]}-{nth}" for step, nth in STEPS]
)
def test_killed_after_a_named_step(sent: World, tmp_path: Path, step: str, nth: int):
    assert run(ingest(sent), Death(nth, step), tmp_path / "log") == KILLED
    held = require_whole_or_absent(sent, noted(tmp_path / "log", "acknowledged"))
    assert held in (set(), set(STUDIES))  # they are one group
    assert held == set() or step.endswith(("VolumeReplica.append", "Journal.append", "append_locked"))


def test_after_the_journal_has_it_a_kill_loses_nothing(sent: World):
    """The catalog had not heard of it: the next start tells it."""
    assert run(ingest(sent), Death(2, "retention.journal.journal:Journal.append")) == KILLED
    assert require_whole_or_absent(sent) == set(STUDIES)


def test_before_the_journal_has_it_a_kill_leaves_nothing(sent: World):
    assert run(ingest(sent), Death(2, "retention.journal.journal:Journal.append", after=False)) == KILLED
    assert require_whole_or_absent(sent) == set()


def test_killed_from_outside_at_any_time(sent: World, tmp_path: Path):
    sent.send("odd/1.dcm", unidentified())
    chance = random.Random(os.environ.get("SEED", "1"))
    acknowledged: set[str] = set()
    for turn in range(5):
        log = tmp_path / f"log-{turn}"
        process = start(ingest(sent), NEVER, log)
        time.sleep(chance.uniform(0.02, 0.4))
        if process.is_alive():
            process.kill()
        process.join()
        acknowledged |= set(noted(log, "acknowledged"))
        with sent.opened():
            assert sent.leftovers() == []
            assert acknowledged <= {study.study_uid for study in _studies(sent)}
    assert run(ingest(sent)) in (0, 3)
    require_sound(sent)


def _studies(world: World):
    with world.opened(to_write=False) as stores:
        return list(stores.catalog.studies())


def test_the_program_as_people_start_it(sent: World):
    """Nothing forked, nothing hooked: a process of its own, killed while it works."""
    process = subprocess.Popen(
        [sys.executable, "-m", "retention", *ingest(sent, "hot")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not any(sent.root.glob("hot-*/incoming/*")) and not sent.shards():
        time.sleep(0.001)
    process.kill()
    process.wait()
    require_whole_or_absent(sent)
    again = subprocess.run(
        [sys.executable, "-m", "retention", *ingest(sent, "hot")], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0
    assert require_whole_or_absent(sent) == set(STUDIES)
    require_sound(sent)
