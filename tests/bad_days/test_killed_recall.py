"""kill -9 at steps of a recall: the request stands, one copy is made, what was archived is untouched."""

from __future__ import annotations

from pathlib import Path

import pytest

from retention.catalog.recalls import RecallProgress
from retention.services import recall
from retention.storage.volume import Urgency
from tests.bad_days.test_killed_ingest import KILLED
from tests.bad_days.victim import Death, run
from tests.services.instances import STUDY
from tests.services.move.moving import move_in
from tests.services.world import GLACIER, World

STEPS = [
    ("retention.services.recall:ask", True),
    ("retention.services.move.recode:_reseal", True),
    ("retention.storage.directory_objects:DirectoryUpload.publish", True),
    ("retention.keyring.keyring:Keyring.commit", True),
    ("retention.journal.journal:Journal.append", False),
    ("retention.journal.journal:Journal.append", True),
    ("retention.services.commit:append_locked", True),
]


@pytest.fixture
def asked(held: World) -> World:
    """A study on glacier that was asked for, and can be read as soon as somebody looks."""
    settings = held.root / "archive.yaml"
    settings.write_text(settings.read_text().replace("delay: PT12H", "delay: PT1S"))
    with held.opened() as stores:
        move_in(stores, "glacier", stores.catalog.packages_of(STUDY))
        recall.request(stores, stores.catalog.study(STUDY), "board", Urgency.EMERGENCY)
    return held


def look(world: World) -> list[str]:
    return ["--archive", str(world.root), "--quiet", "recall", "list"]


def archived(world: World) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in world.shards(*GLACIER)}


@pytest.mark.parametrize(
    ("step", "after"), STEPS, ids=[f"{'after' if a else 'before'} {s.rpartition(':')[2]}" for s, a in STEPS]
)
def test_killed_at_a_step_it_is_ready_once_in_the_end(asked: World, tmp_path: Path, step: str, after: bool):
    before = archived(asked)
    assert run(look(asked), Death(1, step, after=after)) == KILLED
    with asked.opened():
        pass
    assert asked.leftovers() == []
    assert archived(asked) == before
    assert run(look(asked)) == 0
    copies = [package for package in asked.packages() if package.copy_of is not None]
    assert [(package.tier, package.study_uid) for package in copies] == [("hot", STUDY)]
    with asked.opened() as stores:
        assert [each.state for each in stores.catalog.recalls.all()] == [RecallProgress.READY]
        assert stores.catalog.check() == []
    assert asked.leftovers() == []
    assert asked.export()
