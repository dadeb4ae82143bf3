"""What nobody accounts for: found in one pass, named by what it says it is, and never removed for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from retention.catalog import paging
from retention.catalog.records import PlacedShard
from retention.model.errors import VolumeUnavailableError
from retention.model.findings import FindingKind
from retention.model.identifiers import PackageId
from retention.model.layout import Protection
from retention.services.audit import extra
from retention.services.audit.extra import (
    Difference,
    Discrepancy,
    check_extra,
    compare,
    drop_redundant,
    lasting,
)
from retention.services.sessions import Session
from retention.services.volumes import shard_key
from retention.storage.directory import DirectoryVolume
from tests.package.conftest import small_package
from tests.services.instances import OTHER_STUDY, STUDY, instance
from tests.services.world import COLD, World, flip

STRAY = shard_key("3f" * 16, 2, 0)


def put(path: Path, data: bytes = b"bytes") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def shard_of(world: World, number: int, study: str = OTHER_STUDY) -> Path:
    with world.opened() as stores:
        (package,) = stores.catalog.packages_of(study)
    return world.shard(package, number)


def compared(world: World) -> list[Discrepancy]:
    with world.opened() as stores:
        return list(lasting(stores, compare(stores)))


def extras(world: World) -> list[tuple[FindingKind, str, str | None, str]]:
    with world.opened() as stores:
        return [(found.kind, found.volume, found.subject, found.detail) for found in check_extra(stores)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 3)


def test_a_sound_archive_has_nothing_extra_and_nothing_missing(held: World):
    for number in range(8):
        held.send(f"{number}.dcm", instance(1, study=f"1.2.9.{number}"))
    held.ingest(*[held.source / f"{number}.dcm" for number in range(8)], tier="cold")
    assert compared(held) == []
    assert extras(held) == []


def test_each_difference_of_name_or_size_is_found_on_its_volume(held: World):
    missing, longer = shard_of(held, 1), shard_of(held, 3)
    missing.unlink()
    longer.write_bytes(longer.read_bytes() + b"x")
    put(held.volume("hot-a") / STRAY)
    put(held.volume("cold-6") / "packages/notes.txt")
    found = {(each.what, each.volume, each.key) for each in compared(held)}

    def named(path: Path) -> tuple[str, str]:
        relative = path.relative_to(held.root).as_posix()
        volume, _, key = relative.partition("/")
        return volume, key

    assert found == {
        (Difference.MISSING, *named(missing)),
        (Difference.SIZE, *named(longer)),
        (Difference.EXTRA, "hot-a", STRAY),
        (Difference.EXTRA, "cold-6", "packages/notes.txt"),
    }


def test_a_copy_on_another_volume_is_extra_there_and_misplaced(held: World):
    original = shard_of(held, 0)
    volume = next(name for name in COLD if not original.is_relative_to(held.volume(name)))
    key = original.relative_to(original.parents[2]).as_posix()
    put(held.volume(volume) / key, original.read_bytes())
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
    detail = f"it says it is shard 0 of package {package.package_id}"
    assert extras(held) == [(FindingKind.MISPLACED, volume, key, detail)]


def test_what_says_it_is_of_an_unknown_package_says_whose_it_is(
    held: World, empty_template: World, tmp_path: Path
):
    other = empty_template.copy(tmp_path)
    other.send("1.dcm", instance())
    other.ingest()
    foreign = other.shards("hot-a")[0]
    put(held.volume("cold-2") / STRAY, foreign.read_bytes())
    ((kind, volume, key, detail),) = extras(held)
    assert (kind, volume, key) == (FindingKind.EXTRA, "cold-2", STRAY)
    assert "which is not held here" in detail
    with other.opened() as stores:
        assert stores.archive_id in detail
        assert stores.catalog.institutions()[0].institution_id in detail


def test_what_is_no_shard_is_extra(held: World):
    put(held.volume("cold-2") / STRAY)
    assert extras(held) == [(FindingKind.EXTRA, "cold-2", STRAY, "it is not a shard that can be read")]


def test_extras_are_never_removed(held: World):
    stray = put(held.volume("cold-2") / STRAY)
    for _ in range(2):
        assert [finding.kind for finding in held.audit().findings] == [FindingKind.EXTRA]
        assert stray.exists()


def test_what_a_living_run_is_about_to_publish_or_drop_is_no_finding(held: World):
    put(held.volume("hot-a") / STRAY)
    with held.opened() as stores, Session(held.root) as session:
        session.intend([("hot-a", STRAY)])
        assert list(check_extra(stores)) == []
    assert len(extras(held)) == 1


def test_what_was_committed_or_removed_while_the_comparison_ran_is_no_finding(held: World):
    """The listing is older than the second look, which decides."""
    shard = shard_of(held, 0)
    key = shard.relative_to(shard.parents[2]).as_posix()
    volume = shard.parents[2].name
    with held.opened() as stores:
        stale = [
            Discrepancy(Difference.EXTRA, volume, key, 5),
            Discrepancy(Difference.MISSING, volume, key),
            Discrepancy(Difference.SIZE, volume, key, 5),
            Discrepancy(Difference.EXTRA, "hot-a", STRAY, 5),
            Discrepancy(Difference.MISSING, "hot-a", STRAY),
        ]
        assert list(lasting(stores, stale)) == []


def test_a_volume_that_does_not_answer_is_left_out(held: World):
    held.volume("cold-4").rename(held.root / "away")
    assert compared(held) == []


def test_a_volume_that_fails_half_way_is_left_out_from_there(held: World, monkeypatch: pytest.MonkeyPatch):
    walk = DirectoryVolume._walk

    def failing(self: DirectoryVolume, *given: str):
        if self.name == "cold-4":
            raise VolumeUnavailableError("it went away")
        yield from walk(self, *given)

    monkeypatch.setattr(DirectoryVolume, "_walk", failing)
    assert compared(held) == []


def test_the_comparison_asks_the_catalog_page_by_page_and_not_object_by_object(held: World, monkeypatch):
    """For a million packages: one pass over both, and a question only where they differ."""
    for number in range(12):
        held.send(f"{number}.dcm", instance(1, study=f"1.2.9.{number}"))
    held.ingest(*[held.source / f"{number}.dcm" for number in range(12)], tier="cold")
    with held.opened() as stores:
        monkeypatch.setattr(
            type(stores.catalog), "shards_of", lambda *_: pytest.fail("a question for a single object")
        )
        assert list(check_extra(stores)) == []


def test_names_of_shards_sort_as_the_catalog_streams_them():
    """The merge rests on it: by package, then by number."""
    shards = [
        PlacedShard(PackageId(f"{p:032x}"), n, g, "v", 1, is_leaving=False)
        for p in (1, 15, 255, 1 << 125)
        for n in range(32)
        for g in (0, 11)
    ]
    keys = [extra._named(shard)[0] for shard in shards if shard.generation == 0]
    assert keys == sorted(keys)


def test_a_misplaced_shard_goes_when_its_own_package_is_sound_without_it(held: World):
    original = shard_of(held, 0)
    copy = put(held.volume("hot-a") / STRAY, original.read_bytes())
    with held.opened() as stores:
        drop_redundant(stores, [("hot-a", STRAY)])
    assert not copy.exists()
    assert original.exists()


@pytest.mark.parametrize("trouble", ["missing", "damaged", "unknown package", "no shard"])
def test_a_misplaced_shard_that_may_be_needed_stays(held: World, trouble: str):
    copy = put(held.volume("hot-a") / STRAY, shard_of(held, 0).read_bytes())
    if trouble == "missing":
        shard_of(held, 0).unlink()
    elif trouble == "damaged":
        flip(shard_of(held, 5), 300)
    elif trouble == "no shard":
        put(copy)
    else:
        put(copy, bytes(small_package(Protection(4, 2)).shards[0].data))
    with held.opened() as stores:
        drop_redundant(stores, [("hot-a", STRAY)])
    assert copy.exists()


def test_a_shard_in_its_right_place_is_never_dropped(held: World):
    shard = shard_of(held, 0, STUDY)
    with held.opened() as stores:
        drop_redundant(stores, [(shard.parents[2].name, shard.relative_to(shard.parents[2]).as_posix())])
    assert shard.exists()
