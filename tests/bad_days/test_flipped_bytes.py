"""A flipped byte anywhere on a volume: never served, put right by an audit, and a second one finds nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from retention.model.errors import RetentionError
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study
from tests.bad_days.after import require_sound
from tests.services.instances import instance, unidentified
from tests.services.world import World, contents, flip

ROUNDS = 5


@pytest.fixture
def world(empty: World) -> World:
    """A study on hot, one on cold, and something in quarantine on each."""
    for tier in ("hot", "cold"):
        empty.send(f"{tier}/1.dcm", instance(1, study=f"1.2.9.{tier == 'hot':d}", rows=40))
        empty.send(f"{tier}/odd.dcm", unidentified(len(tier)))
        empty.ingest(empty.source / tier, tier=tier)
    empty.audit()
    return empty


def offsets(path: Path, chance: random.Random, round_number: int) -> int:
    """Return where to flip: the ends, the bounds of a shard's records, and anywhere."""
    size = path.stat().st_size
    chosen = [0, size - 1, 254, size - 300]
    at = chosen[round_number] if round_number < len(chosen) else chance.randrange(size)
    return min(max(0, at), size - 1)


@pytest.mark.parametrize("volume", ["hot-a", "cold-1", "cold-6"])
def test_every_file_of_a_volume_may_have_one(world: World, volume: str):
    """Shards, journal, keyring, identity and documents, all at once, again and again."""
    chance = random.Random(volume)
    for round_number in range(ROUNDS):
        files = world.files(volume)
        assert {path.suffix for path in files} >= {".shard", ".json", ".md", ".py"}
        for path in files:
            flip(path, offsets(path, chance, round_number), 1 << chance.randrange(8))
        if round_number % 3 == 0:
            assert contents(world.export()) == sorted(world.sent.values())
        report = world.audit()
        assert report.lost == 0
        assert [finding for finding in report.findings if not finding.repaired] == []
        found = {(finding.volume, finding.subject or "shard") for finding in report.findings}
        assert {(volume, subject) for subject in ("shard", "identity", "recover.py", "FORMAT.md")} <= found
        assert report.damaged == report.repaired == len(world.shards(volume))
        assert world.audit().findings == []
    require_sound(world)


@pytest.mark.parametrize("seed", range(2))
def test_two_volumes_of_cold_may_have_them_everywhere(world: World, seed: int):
    chance = random.Random(seed)
    for name in chance.sample([f"cold-{n}" for n in range(1, 7)], 2):
        for path in world.files(name):
            flip(path, chance.randrange(path.stat().st_size))
    assert contents(world.export()) == sorted(world.sent.values())
    report = world.audit()
    assert report.damaged == report.repaired == 4
    require_sound(world)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_damaged_nothing_wrong_is_ever_given_back(world: World, seed: int, tmp_path: Path):
    """Far beyond what can be borne: right bytes or an error, never other bytes."""
    chance = random.Random(seed)
    for path in world.shards():
        for _ in range(chance.choice([0, 1, 5, 50])):
            flip(path, chance.randrange(path.stat().st_size), chance.randrange(1, 256))
    with world.opened() as stores:
        for summary in list(stores.catalog.studies()):
            study = stores.catalog.study(summary.study_uid)
            report = export_study(stores, study, tmp_path / summary.study_uid, NoProgress())
            assert all(isinstance(failure, RetentionError) for failure in report.failures)
    for path in tmp_path.rglob("*.dcm"):
        assert path.read_bytes() in world.sent.values()
    first = world.audit()
    assert {finding.package for finding in first.findings} >= {
        lost.package_id for lost in first.lost_packages
    }
    second = world.audit()
    assert second.lost == first.lost
    assert second.repaired == 0
