"""Swapped, renamed and foreign shards: recognised for what they are, never taken for what they are called."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from retention.model.findings import FindingKind
from tests.bad_days.after import require_sound
from tests.services.instances import instance
from tests.services.world import COLD, World, contents

STUDIES = ("1.2.9.1", "1.2.9.2")


@pytest.fixture
def world(empty: World) -> World:
    for study in STUDIES:
        empty.send(f"{study}/1.dcm", instance(1, study=study))
    empty.ingest(tier="cold")
    return empty


def shard(world: World, study: str, number: int) -> Path:
    (package,) = [package for package in world.packages() if package.study_uid == study]
    return world.shard(package, number)


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def kinds(world: World) -> list[FindingKind]:
    return [finding.kind for finding in world.audit().findings]


def test_two_shards_of_one_package_swapped(world: World):
    swap(shard(world, STUDIES[0], 1), shard(world, STUDIES[0], 4))
    assert contents(world.export()) == sorted(world.sent.values())
    assert kinds(world) == [FindingKind.MISPLACED] * 2
    require_sound(world)


def test_all_six_shards_of_a_package_dealt_anew(world: World):
    """No shard is where it should be, and every byte is there: nothing is lost."""
    paths = [shard(world, STUDIES[0], number) for number in range(6)]
    data = [path.read_bytes() for path in paths]
    for number, path in enumerate(paths):
        path.write_bytes(data[(number + 2) % 6])
    report = world.audit()
    assert (report.damaged, report.repaired, report.lost) == (6, 6, 0)
    assert {finding.kind for finding in report.findings} == {FindingKind.MISPLACED}
    require_sound(world)


def test_shards_of_two_packages_swapped(world: World):
    for number in (0, 5):
        swap(shard(world, STUDIES[0], number), shard(world, STUDIES[1], number))
    assert contents(world.export()) == sorted(world.sent.values())
    assert kinds(world) == [FindingKind.MISPLACED] * 4
    require_sound(world)


def test_two_volumes_folders_of_packages_swapped(world: World):
    """As if somebody had put the disks' contents back the wrong way round."""
    swap(world.volume("cold-2") / "packages", world.volume("cold-5") / "packages")
    assert contents(world.export()) == sorted(world.sent.values())
    report = world.audit()
    assert report.lost == 0
    assert report.repaired == report.damaged == 4
    # What came from the other volume is still where nobody expects it, and said to be, until somebody removes it.
    left = world.audit()
    assert {finding.kind for finding in left.findings} <= {FindingKind.MISPLACED}
    assert left.damaged == 0
    assert contents(world.export()) == sorted(world.sent.values())


def test_a_renamed_shard_is_missing_and_found_again_under_its_name(world: World):
    path = shard(world, STUDIES[0], 2)
    path.rename(path.with_name(path.name.replace(".g0.", ".g7.")))
    report = world.audit()
    assert sorted(finding.kind for finding in report.findings) == [FindingKind.MISPLACED, FindingKind.MISSING]
    (found,) = [finding for finding in report.findings if finding.kind is FindingKind.MISPLACED]
    assert "it says it is shard 2 of package" in found.detail
    assert found.subject is not None
    assert found.subject.endswith(".g7.shard")


@pytest.mark.parametrize("whose", ["archive", "institution", "package"])
def test_a_foreign_shard_in_a_shards_place_is_told_by_whose_it_is_and_kept(
    world: World, whose: str, folder: Path
):
    target = shard(world, STUDIES[0], 3)
    if whose == "archive":
        (folder / "other").mkdir()
        other = World.make(folder / "other")
    else:
        other = world
        if whose == "institution":
            from retention.model.layout import InstitutionSpec
            from retention.services import institutions

            with world.opened() as stores:
                institutions.add(stores, InstitutionSpec("cochin"))
            world.institution = "cochin"
    foreign = other.send("1.2.9.7/1.dcm", instance(1, study="1.2.9.7"))
    other.ingest(foreign, tier="cold")
    source = shard(other, "1.2.9.7", 3)
    with other.opened() as stores:
        ids = {"archive": stores.archive_id, "package": source.name[:32]}
        ids["institution"] = stores.catalog.package(
            stores.catalog.packages_of("1.2.9.7")[0].package_id
        ).institution_id
    target.write_bytes(source.read_bytes())
    report = world.audit()
    (found,) = [finding for finding in report.findings if finding.kind is FindingKind.MISPLACED]
    assert ids[whose] in found.detail
    assert found.repaired
    if whose == "archive":  # nobody here can say whether somebody needs it
        assert target.exists()
        assert [finding.kind for finding in world.audit().findings] == [FindingKind.EXTRA]
        target.unlink()
        world.sent.pop("1.2.9.7/1.dcm", None)
    require_sound(world)


@pytest.mark.parametrize("seed", range(2))
def test_any_shuffle_of_files_is_survived_as_long_as_each_package_has_enough_in_place(
    world: World, seed: int
):
    chance = random.Random(seed)
    for _ in range(2):
        one, other = (shard(world, chance.choice(STUDIES), number) for number in chance.sample(range(6), 2))
        swap(one, other)
    report = world.audit()
    assert report.lost == 0
    assert all(finding.repaired for finding in report.findings if finding.shard is not None)
    assert contents(world.export()) == sorted(world.sent.values())
    assert {str(s.volume) for package in world.packages() for s in package.shards} == set(COLD)
