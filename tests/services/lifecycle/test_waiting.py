"""Moves that leave a slow tier: they ask by themselves, wait from run to run, and leave nothing of it behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retention.catalog.recalls import RecallProgress
from retention.model.clock import RehearsalClock
from retention.model.errors import StorageError
from retention.services import recall
from retention.services.lifecycle.carry_out import Outcome, carry_out
from retention.services.lifecycle.planned import PlannedMove
from retention.services.lifecycle.waiting import GIVEN_UP
from retention.services.move.budget import NO_LIMITS, Limits
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study
from retention.services.stores import Stores
from retention.services.volume_care import add_volume
from retention.storage.delayed import DelayedVolume
from retention.storage.volume import Urgency
from tests.services.instances import STUDY
from tests.services.move.moving import move_in
from tests.services.test_rebuild import lose, made_again
from tests.services.world import GLACIER, HOT, World, contents

OTHER = "1.2.840.99.2"
DELAY, KEEP = timedelta(hours=12), timedelta(days=7)
VOLUME = """\
  vault-1: {url: "file:vault-1", site: main, domain: disk-1}
"""
TIER = """\
  vault: {volumes: [vault-1], protection: {copies: 1}, accept_single_domain: true}
"""


@pytest.fixture
def stores(held: World):
    """Two studies on glacier, and a tier after it; the clock is ours."""
    settings = held.root / "archive.yaml"
    text = settings.read_text().replace("\n# Hospitals and", f"{TIER}\n# Hospitals and")
    settings.write_text(text.replace("\n# A package is kept", f"{VOLUME}\n# A package is kept"))
    with held.opened() as opened:
        add_volume(opened, "vault-1")
        opened.clock = RehearsalClock(opened.clock.now())
        assert len(move_in(opened, "glacier", held.packages()).moved) == 2
        later(opened, GRACE)
        drop_due(opened)
        assert held.shards(*HOT) == []
        yield opened


def later(stores: Stores, by: timedelta) -> None:
    stores.clock = RehearsalClock(stores.clock.now() + by)


def run(stores: Stores, *studies: str, limits: Limits = NO_LIMITS) -> Outcome:
    recall.advance(stores)
    moves = [PlannedMove(study, "necker", "glacier", "vault", 1, "standard/tiers") for study in studies]
    return carry_out(stores, moves, limits, NoProgress())


def counts(outcome: Outcome) -> tuple[int, int, int]:
    return len(outcome.moved), len(outcome.waiting), len(outcome.failed)


def recalls(stores: Stores) -> list[tuple[str | None, RecallProgress, str | None]]:
    return [(each.study_uid, each.state, each.moving_to) for each in stores.catalog.recalls.all()]


def test_it_asks_waits_and_moves_when_the_data_is_there(held: World, stores: Stores):
    assert counts(run(stores, STUDY, OTHER)) == (0, 2, 0)
    asked = stores.catalog.recalls.open(STUDY, "necker")
    assert [(each.urgency, each.reason) for each in asked] == [
        ("routine", "it moves from glacier to vault: standard/tiers")
    ]
    assert recall.expected_at(stores, asked[0]) == stores.clock.now() + DELAY
    later(stores, DELAY)
    assert held.shards(*HOT) == []
    assert counts(run(stores, STUDY, OTHER)) == (2, 0, 0)
    assert recalls(stores) == [
        (STUDY, RecallProgress.EXPIRED, "vault"),
        (OTHER, RecallProgress.EXPIRED, "vault"),
    ]
    assert {package.tier for package in held.packages()} == {"vault"}
    later(stores, GRACE)
    assert len(drop_due(stores).packages) == 2
    assert held.shards(*GLACIER) == []
    assert contents(held.export()) == sorted(held.sent.values())
    assert stores.catalog.check() == []


def test_what_is_asked_for_is_asked_for_once(stores: Stores):
    for _ in range(3):
        assert counts(run(stores, STUDY)) == (0, 1, 0)
    assert recalls(stores) == [(STUDY, RecallProgress.REQUESTED, "vault")]


def test_no_copy_is_made_that_nobody_reads(held: World, stores: Stores):
    run(stores, STUDY)
    later(stores, DELAY)
    assert recall.advance(stores).ready == []
    assert [package for package in held.packages() if package.copy_of is not None] == []


def test_limits_hold_for_what_is_asked_for_too(stores: Stores):
    size_bytes = stores.catalog.study(STUDY).summary.bytes_received
    outcome = run(stores, STUDY, OTHER, limits=Limits(max_bytes=size_bytes))
    assert (counts(outcome), len(outcome.left)) == ((0, 1, 0), 1)
    assert [study for study, _, _ in recalls(stores)] == [STUDY]


def test_it_goes_from_the_copy_that_people_had_recalled(held: World, stores: Stores):
    asked = recall.request(stores, stores.catalog.study(STUDY), "tumour board", Urgency.ROUTINE)
    later(stores, DELAY)
    recall.advance(stores)
    for path in held.files(*GLACIER, suffix=".json"):
        if "recalls" in path.parts:
            path.unlink()  # the slow tier has taken back what it gave out; our copy is there
    assert counts(run(stores, STUDY)) == (1, 0, 0)
    later(stores, GRACE)
    drop_due(stores)
    assert stores.catalog.recalls.one(asked.recall_id).state is RecallProgress.READY
    later(stores, KEEP)
    assert len(drop_due(stores).packages) == 1
    assert stores.catalog.recalls.one(asked.recall_id).state is RecallProgress.EXPIRED
    assert stores.catalog.check() == []


def test_who_reads_a_recalled_copy_reads_on_when_the_study_moves_to_another_slow_tier(
    held: World, stores: Stores
):
    recall.request(stores, stores.catalog.study(STUDY), "tumour board", Urgency.ROUTINE)
    later(stores, DELAY)
    recall.advance(stores)
    (asleep,) = [
        package for package in held.packages() if package.tier == "glacier" and package.study_uid == STUDY
    ]
    move_in(stores, "glacier", [asleep])
    read = export_study(stores, stores.catalog.study(STUDY), held.root.parent / "read", NoProgress())
    assert (read.instances, read.failures) == (3, [])


def test_a_volume_that_does_not_answer_is_a_failure(stores: Stores, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise StorageError("the robot is stuck")

    monkeypatch.setattr(DelayedVolume, "recall", refuse)
    outcome = run(stores, STUDY)
    assert counts(outcome) == (0, 0, 1)
    monkeypatch.undo()
    assert counts(run(stores, STUDY)) == (0, 1, 0)
    assert len(recalls(stores)) == 1


def test_what_was_given_out_in_vain_is_asked_for_again(stores: Stores):
    run(stores, STUDY)
    later(stores, DELAY + KEEP)
    assert counts(run(stores, STUDY)) == (0, 1, 0)
    later(stores, GIVEN_UP)
    assert counts(run(stores)) == (0, 0, 0)
    assert recalls(stores) == [(STUDY, RecallProgress.EXPIRED, "vault")]


def test_a_rebuilt_catalog_knows_what_waits(held: World, stores: Stores):
    run(stores, STUDY, OTHER)
    later(stores, DELAY)
    run(stores, STUDY)
    before = list(stores.catalog.recalls.all())
    stores.close()
    lose(held)
    made_again(held)
    with held.opened() as again:
        assert list(again.catalog.recalls.all()) == before
