"""Lesser checks: each sees what it can, is recorded as what it was, and leads to a full reading if it sees anything."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from retention.catalog.records import PackageSummary
from retention.model.findings import FindingKind
from retention.services.audit import methods
from retention.services.audit.examine import Examination
from retention.services.audit.selection import Selection, audit
from retention.services.audit_record import Method
from retention.services.progress import NoProgress
from retention.services.volumes import VolumeSet
from retention.storage.challenge import challenge
from retention.storage.directory import DirectoryVolume
from tests.services.instances import OTHER_STUDY, STUDY, instance
from tests.services.world import World, flip

LESSER = (Method.CELLS, Method.METADATA, Method.NONCE)


def checked(world: World, study: str, method: Method) -> Examination:
    with world.opened() as stores, ThreadPoolExecutor(2) as pool:
        (package,) = stores.catalog.packages_of(study)
        return methods.check(stores.volumes, package, pool, method)


@pytest.mark.parametrize("method", LESSER)
@pytest.mark.parametrize("study", [STUDY, OTHER_STUDY])
def test_a_sound_package_is_sound_by_every_method(held: World, study: str, method: Method):
    found = checked(held, study, method)
    assert found.is_sound
    assert len(found.sound) == len(found.package.shards)
    assert found.method in (method, Method.OWN_NONCE)


def missing(world: World, package: PackageSummary) -> None:
    world.shard(package, 1).unlink()


def short(world: World, package: PackageSummary) -> None:
    path = world.shard(package, 1)
    path.write_bytes(path.read_bytes()[:-1])


def flipped(world: World, package: PackageSummary) -> None:
    flip(world.shard(package, 1), 300)


def rewritten(world: World, package: PackageSummary) -> None:
    """Somebody rewrote a volume in itself: everything there agrees, and is another package's."""
    world.shard(package, 1).write_bytes(world.shard(package, 0).read_bytes())


@pytest.mark.parametrize(
    ("damage", "seen_by"),
    [
        (missing, {Method.CELLS, Method.METADATA, Method.NONCE}),
        (short, {Method.CELLS, Method.METADATA, Method.NONCE}),
        (flipped, {Method.CELLS, Method.NONCE}),
        (rewritten, {Method.CELLS, Method.NONCE}),
    ],
)
@pytest.mark.parametrize("method", LESSER)
def test_what_a_method_sees(
    held: World, method: Method, damage: Callable[[World, PackageSummary], None], seen_by: set[Method]
):
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
    damage(held, package)
    found = checked(held, OTHER_STUDY, method)
    assert bool(found.findings) == (method in seen_by)
    with held.opened() as stores:
        report = audit(stores, Selection(study_uid=OTHER_STUDY, method=method), NoProgress(), repair=True)
    assert report.repaired == (method in seen_by)
    assert held.audit().damaged == (method not in seen_by)


def test_no_lesser_method_counts_as_a_reading(held: World):
    before = [package.verified_at for package in held.packages()]
    for method in LESSER:
        held.audit(Selection(method=method))
    assert [package.verified_at for package in held.packages()] == before
    held.audit()
    assert [package.verified_at for package in held.packages()] != before


@pytest.mark.parametrize("method", LESSER)
def test_a_package_that_owes_a_shard_is_not_lost_to_any_method(empty: World, method: Method):
    empty.send("1.dcm", instance(1))
    empty.volume("cold-5").rename(empty.root / "away")
    empty.ingest(tier="cold")
    (empty.root / "away").rename(empty.volume("cold-5"))
    report = empty.audit(Selection(method=method))
    assert (report.lost, report.damaged) == (0, 0)
    assert not any(package.lost for package in empty.packages())
    assert report.settled + empty.audit().settled == 1


def test_a_sample_of_cells_reads_little_of_a_large_package(held: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(methods, "_some", lambda stripes, count: list(range(min(stripes, count)))[:1])
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(STUDY)
    found = checked(held, STUDY, Method.CELLS)
    assert found.read_bytes <= sum(shard.size_bytes for shard in package.shards)


def test_which_cells_are_read_differs_from_time_to_time():
    assert len({tuple(methods._some(10_000, 4)) for _ in range(20)}) > 1
    assert methods._some(3, 4) == [0, 1, 2]


def test_a_place_that_answers_for_itself_is_believed_only_if_the_answer_is_right(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    honest = challenge

    def answer(volume: DirectoryVolume, key: str, nonce: bytes) -> bytes:
        monkeypatch.delattr(DirectoryVolume, "answer")
        try:
            return honest(volume, key, nonce).digest
        finally:
            monkeypatch.setattr(DirectoryVolume, "answer", answer, raising=False)

    monkeypatch.setattr(DirectoryVolume, "answer", answer, raising=False)
    found = checked(held, STUDY, Method.NONCE)
    assert (found.method, found.is_sound, found.read_bytes) == (Method.NONCE, True, 0)
    monkeypatch.setattr(DirectoryVolume, "answer", lambda *_: bytes(32), raising=False)
    found = checked(held, STUDY, Method.NONCE)
    assert {finding.kind for finding in found.findings.values()} == {FindingKind.CORRUPT}


def test_without_enough_other_shards_a_challenge_says_nothing(held: World):
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(STUDY)
    held.volume("hot-b").rename(held.root / "away")
    found = checked(held, STUDY, Method.NONCE)
    assert (found.sound, found.findings) == ([], {})
    assert sorted(found.unreachable) == [0, 1]
    assert isinstance(stores.volumes, VolumeSet)
    assert package.package_id == found.package.package_id
