"""Repair: a new generation beside the old one, committed before anything is dropped, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from retention.catalog.records import PackageSummary, ShardState
from retention.model.errors import CatalogError, LockedError, VolumeFullError, VolumeUnavailableError
from retention.package import erasure
from retention.services import commit, events
from retention.services.audit.examine import Examination, examine
from retention.services.audit.repair import Repair, Repaired
from retention.services.ingest import build
from retention.services.sessions import Session, under_way
from retention.services.stores import Stores
from retention.storage.directory import DirectoryVolume
from tests.services.instances import OTHER_STUDY, instance
from tests.services.world import COLD, World, contents, flip


@dataclass
class Bench:
    """One package, examined, and what repairs it."""

    world: World
    stores: Stores
    session: Session
    found: Examination

    @property
    def package(self) -> PackageSummary:
        return self.found.package

    def repair(self) -> Repaired:
        return Repair(self.stores, self.session, self.stores.volumes.states()).repair(self.found)

    def now(self) -> PackageSummary:
        return self.stores.catalog.package(self.package.package_id)

    def examine(self) -> Examination:
        with ThreadPoolExecutor(1) as pool:
            return examine(self.stores.volumes, self.now(), pool)


@contextmanager
def bench(world: World) -> Iterator[Bench]:
    with world.opened() as stores, ThreadPoolExecutor(2) as pool, Session(world.root) as session:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
        yield Bench(world, stores, session, examine(stores.volumes, package, pool))


def shard_of(world: World, number: int) -> Path:
    with world.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
    return world.shard(package, number)


def test_every_pattern_of_up_to_m_shards_is_made_again(held: World):
    originals = {number: shard_of(held, number).read_bytes()[256:] for number in range(6)}
    with held.opened() as stores, Session(held.root) as session, ThreadPoolExecutor(2) as pool:
        for lost in [*combinations(range(6), 1), *combinations(range(6), 2)]:
            (package,) = stores.catalog.packages_of(OTHER_STUDY)
            for number in lost:
                held.shard(package, number).unlink()
            at = Bench(held, stores, session, examine(stores.volumes, package, pool))
            assert at.repair().made == list(lost)
            for number, (before, now) in enumerate(zip(package.shards, at.now().shards, strict=True)):
                assert now.generation == before.generation + (number in lost)
                assert now.volume == before.volume
                assert held.shard(at.now(), number).read_bytes()[256:] == originals[number]
        assert at.examine().is_sound
    assert held.leftovers() == []


def test_every_pattern_of_more_is_refused_and_nothing_is_changed(held: World):
    shards = [shard_of(held, number) for number in range(6)]
    with held.opened() as stores, Session(held.root) as session, ThreadPoolExecutor(2) as pool:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
        for lost in combinations(range(6), 3):
            for number in lost:
                flip(shards[number], 300)
            before = held.digest(*COLD)
            at = Bench(held, stores, session, examine(stores.volumes, package, pool))
            repaired = at.repair()
            assert (repaired.made, repaired.is_lost) == ((), True)
            assert "3 of 6 cells are left, 4 are needed" in repaired.why_not
            assert at.now().shards == package.shards
            assert held.digest(*COLD) == before
            for number in lost:
                flip(shards[number], 300)


def test_all_shards_damaged_are_repaired_while_each_stripe_has_enough_good_cells(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(build, "default_cell_bytes", lambda _: 256)
    empty.send("1.dcm", instance(1, study=OTHER_STUDY, rows=100))
    empty.ingest(tier="cold")
    with bench(empty) as at:
        assert at.found.reference is not None
        stripes = at.found.reference.geometry.stripes
        package = at.package
    assert stripes >= 6
    for stripe in range(stripes - 1):
        for shard in (2 * stripe % 6, (2 * stripe + 1) % 6):
            flip(empty.shard(package, shard), 256 + stripe * 256)
    with bench(empty) as at:
        assert sorted(at.found.findings) == list(range(6))
        assert at.repair().made == list(range(6))
        assert at.examine().is_sound
    assert contents(empty.export()) == [instance(1, study=OTHER_STUDY, rows=100)]
    assert empty.leftovers() == []


def test_the_old_shard_is_dropped_after_the_commit_and_never_before(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    old = shard_of(held, 2)
    flip(old, 300)
    honest = commit.append_locked

    def watched(*given: Any) -> object:
        assert old.exists()
        assert old.with_name(old.name.replace(".g0.", ".g1.")).exists()
        return honest(*given)

    monkeypatch.setattr(commit, "append_locked", watched)
    with bench(held) as at:
        assert at.repair().made == [2]
    assert not old.exists()


def test_everything_is_on_the_list_before_it_is_published_or_dropped(held: World):
    old = shard_of(held, 2)
    flip(old, 300)
    with bench(held) as at:
        at.repair()
        volume = str(at.package.shards[2].volume)
        key = old.relative_to(held.volume(volume)).as_posix()
        assert under_way(held.root).objects == {(volume, key), (volume, key.replace(".g0.", ".g1."))}


def test_the_journal_says_what_was_made(held: World):
    shard_of(held, 1).unlink()
    with bench(held) as at:
        at.repair()
        entry = list(at.stores.journal.read())[-1].envelope
        assert (entry.action, entry.objects) == (events.SHARD_REPAIR, {"package": at.package.package_id})
        assert entry.data["index_root"] == at.package.index_root.hex()
        assert entry.data["shards"] == [
            {
                "number": 1, "generation": 1, "volume": at.package.shards[1].volume,
                "bytes": at.package.shards[1].size_bytes,
            }
        ]  # fmt: skip


def test_a_shard_repaired_twice_is_generation_two(held: World):
    for generation in (1, 2):
        shard_of(held, 3).unlink()
        with bench(held) as at:
            at.repair()
            assert at.now().shards[3].generation == generation
    assert held.leftovers() == []


def test_what_another_run_repaired_meanwhile_is_left_as_it_is(held: World):
    """Both examined the same damage; the second commits nothing and leaves nothing."""
    shard_of(held, 1).unlink()
    shard_of(held, 4).unlink()
    with bench(held) as late:
        with bench(held) as early:
            early.found.findings.pop(4)
            assert early.repair().made == [1]
        repaired = late.repair()
        assert repaired.made == ()
        assert "another run" in repaired.why_not or "exists already" in repaired.why_not
        assert [shard.generation for shard in late.now().shards] == [0, 1, 0, 0, 0, 0]
    assert held.leftovers() == []


def test_a_package_whose_places_changed_since_is_not_committed(held: World, monkeypatch: pytest.MonkeyPatch):
    """The volume was replaced while the shard was rebuilt."""
    shard_of(held, 1).unlink()
    honest = Repair._commit

    def changed(self: Repair, package: PackageSummary, *rest: Any) -> bool:
        other = next(n for n in ("cold-1", "cold-2") if n != package.shards[5].volume)
        with at.stores.catalog.transaction() as step:
            step.set_shards(package.package_id, [replace(package.shards[5], volume=other)])
        return honest(self, package, *rest)

    with bench(held) as at:
        monkeypatch.setattr(Repair, "_commit", changed)
        size = at.stores.journal.size
        assert "another run" in at.repair().why_not
        assert at.stores.journal.size == size
        assert not any(path.name.endswith(".g1.shard") for path in held.shards())


@pytest.mark.parametrize(
    "error", [VolumeUnavailableError("too few replicas"), LockedError("busy"), CatalogError("full")]
)
def test_after_a_failed_commit_nothing_is_removed_and_the_next_start_decides(
    held: World, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    old = shard_of(held, 1)
    flip(old, 300)

    def failing(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(commit, "append_locked", failing)
        with pytest.raises(type(error)), bench(held) as at:
            at.repair()
    new = old.with_name(old.name.replace(".g0.", ".g1."))
    assert old.exists()
    assert new.exists()
    with held.opened():
        assert old.exists()
        assert not new.exists()
        assert held.leftovers() == []
    assert held.audit().repaired == 1


def test_an_entry_that_counted_though_the_commit_failed_keeps_the_new_shard(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    old = shard_of(held, 1)
    flip(old, 300)
    honest = commit.append_locked

    def failing(*rest: Any) -> None:
        honest(*rest)
        raise CatalogError("no space is left")

    with monkeypatch.context() as patch:
        patch.setattr(commit, "append_locked", failing)
        with pytest.raises(CatalogError), bench(held) as at:
            at.repair()
    with held.opened():
        assert not old.exists()
        assert old.with_name(old.name.replace(".g0.", ".g1.")).exists()
    assert held.audit().findings == []
    assert held.leftovers() == []


def test_an_old_shard_that_cannot_be_dropped_goes_at_the_next_start(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    old = shard_of(held, 1)
    flip(old, 300)

    def failing(*_: object) -> int:
        raise VolumeUnavailableError("it went away")

    with bench(held) as at, monkeypatch.context() as patch:
        patch.setattr(DirectoryVolume, "delete_many", failing)
        assert at.repair().made == [1]
    assert old.exists()
    with held.opened():
        assert held.leftovers() == []


def test_a_volume_that_takes_nothing_keeps_the_others_from_nothing(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    for number in (1, 4):
        shard_of(held, number).unlink()
    begin = DirectoryVolume.begin
    with bench(held) as at:
        full = at.package.shards[4].volume

        def refusing(self: DirectoryVolume, key: str, session: str, **known: datetime | None):
            if self.name == full:
                raise VolumeFullError(f"volume {full}: no space")
            return begin(self, key, session, **known)

        monkeypatch.setattr(DirectoryVolume, "begin", refusing)
        repaired = at.repair()
        assert (list(repaired.made), repaired.why_not) == ([1], f"volume {full}: no space")
        assert at.now().shards[4].generation == 0
    assert held.leftovers() == []


def test_an_encoder_that_lies_changes_nothing(held: World, monkeypatch: pytest.MonkeyPatch):
    shard_of(held, 5).unlink()
    honest = erasure.encode
    monkeypatch.setattr(
        erasure,
        "encode",
        lambda protection, stripe: [bytes(len(cell)) for cell in honest(protection, stripe)],
    )
    with bench(held) as at:
        repaired = at.repair()
        assert repaired.made == ()
        assert "rebuilt cell" in repaired.why_not
        assert not repaired.is_lost
    assert held.leftovers() == []


def test_a_decoder_that_lies_changes_nothing_and_loses_nothing(held: World, monkeypatch: pytest.MonkeyPatch):
    shard_of(held, 0).unlink()
    monkeypatch.setattr(erasure, "decode", lambda protection, cells, stripe_bytes: bytes(stripe_bytes))
    with bench(held) as at:
        repaired = at.repair()
        assert (repaired.made, repaired.is_lost) == ((), False)
        assert "memory" in repaired.why_not or "wrong" in repaired.why_not


def test_a_volume_that_vanishes_while_it_is_read_does_not_make_a_package_lost(held: World, monkeypatch):
    for number in (0, 1):
        shard_of(held, number).unlink()
    with bench(held) as at:
        held.volume(str(at.package.shards[2].volume)).rename(held.root / "away")
        repaired = at.repair()
        assert (repaired.made, repaired.is_lost) == ((), False)
        assert repaired.why_not


def test_write_debt_gets_its_place_as_the_first_generation(held: World):
    with bench(held) as at:
        shard = at.package.shards[2]
        old = held.shard(at.package, 2)
        with at.stores.catalog.transaction() as step:
            step.set_shards(
                at.package.package_id,
                [replace(shard, volume=None, state=ShardState.UNPLACED, verified_at=None)],
            )
    original = old.read_bytes()
    old.unlink()
    with bench(held) as at:
        assert at.repair().made == [2]
        assert (at.now().shards[2].generation, at.now().shards[2].volume) == (0, shard.volume)
    assert old.read_bytes() == original


def test_a_tier_gone_from_archive_yaml_is_told(held: World):
    shard_of(held, 1).unlink()
    with bench(held) as at:
        del at.stores.settings.tiers["cold"]
        assert "there is no tier cold" in at.repair().why_not


def test_a_misplaced_shard_is_made_again_and_what_lay_there_is_handed_on(held: World):
    one, other = shard_of(held, 1), shard_of(held, 5)
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    with bench(held) as at:
        repaired = at.repair()
        assert repaired.made == [1, 5]
        assert sorted(key.rpartition("/")[2] for _, key in repaired.misplaced) == [one.name, other.name]
        assert one.exists()
        assert other.exists()
