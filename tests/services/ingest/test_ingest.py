"""Ingest as a whole: what came back is what was sent, everything is counted, and running it again changes nothing."""

from __future__ import annotations

import os
import resource
import threading
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from retention.catalog.records import ShardState
from retention.model.errors import ArchiveError, NotFoundError, PlacementError, UsageError
from retention.services import events, institutions, making
from retention.services.events import Names
from retention.services.ingest import finish, ingest
from retention.services.ingest.build import BuiltPackage, PackageBuilder
from retention.services.ingest.ingest import IngestReport
from retention.services.sessions import Session
from retention.services.stores import Stores
from tests.services.instances import STUDY, instance, unidentified
from tests.services.world import COLD, HOT, World, contents

COUNTS = ("studies", "stored", "duplicates", "reencoded", "conflicts", "quarantined", "skipped", "unreadable")


def counted(report: IngestReport) -> dict[str, int]:
    return {name: count for name, count in asdict(report).items() if name in COUNTS and count}


def mixed(world: World) -> None:
    """One of everything that may come."""
    world.send("a/1.dcm", instance(1))
    world.send("a/2.dcm", instance(2))
    world.send("b/same.dcm", instance(1))
    world.send("b/reencoded.dcm", instance(2, meta="1.2.840.99.6"))
    world.send("b/conflict.dcm", instance(2, pixels=50))
    world.send("c/other-study.dcm", instance(1, study="1.2.840.99.8"))
    world.send("c/odd.dcm", unidentified(1))
    world.send("c/notes.txt", b"not an image, only some text " * 20)
    world.send("c/empty", b"")


def watched_groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that will have the number of packages of each group that is finished."""
    groups: list[int] = []
    honest = finish.finish

    def watched(stores: Stores, names: Names, session: Session, group: list[BuiltPackage]) -> object:
        groups.append(len(group))
        return honest(stores, names, session, group)

    monkeypatch.setattr(ingest, "finish", watched)
    return groups


@pytest.mark.parametrize("tier", ["hot", "cold"])
def test_everything_is_counted_once_and_comes_back_byte_for_byte(empty: World, tier: str):
    mixed(empty)
    report = empty.ingest(tier=tier)
    assert counted(report) == {
        "studies": 2, "stored": 3, "duplicates": 1, "reencoded": 1, "conflicts": 1, "quarantined": 1, "skipped": 2
    }  # fmt: skip
    stored = ["a/1.dcm", "a/2.dcm", "b/conflict.dcm", "c/other-study.dcm", "c/odd.dcm"]
    assert report.bytes_in == sum(len(empty.sent[name]) for name in stored)
    assert sorted((Path(each.path).name, each.reason.partition(":")[0]) for each in report.refused) == [
        ("conflict.dcm", "conflict"), ("odd.dcm", "quarantined")
    ]  # fmt: skip
    exported = empty.export()
    assert contents(exported) == sorted(empty.sent[name] for name in stored)
    assert exported[f"{STUDY}/{STUDY}.1.2.dcm"] == instance(2)
    assert exported[f"{STUDY}/{STUDY}.1.2.2.dcm"] == instance(2, pixels=50)


@pytest.mark.parametrize("tier", ["hot", "cold"])
def test_running_it_again_changes_nothing(empty: World, tier: str):
    mixed(empty)
    empty.ingest(tier=tier)
    before, packages = empty.digest(), empty.packages()
    for _ in range(2):
        report = empty.ingest(tier=tier)
        assert counted(report) == {"duplicates": 6, "reencoded": 1, "skipped": 2}
        assert (report.bytes_in, report.bytes_stored) == (0, 0)
    assert empty.packages() == packages
    shards = {name: digest for name, digest in empty.digest().items() if name.endswith(".shard")}
    assert shards == {name: digest for name, digest in before.items() if name.endswith(".shard")}


def test_late_instances_make_a_further_package_of_the_same_study(held: World):
    held.send("late.dcm", instance(4))
    assert counted(held.ingest(held.source / "late.dcm")) == {"studies": 1, "stored": 1}
    with held.opened() as stores:
        study = stores.catalog.study(STUDY)
        assert (study.summary.instances, len(study.packages)) == (4, 2)
        assert [(series.series_uid, series.instances) for series in study.series] == [(f"{STUDY}.1", 4)]


def test_one_instance_said_to_be_in_two_studies_is_counted_the_same_however_they_are_grouped(empty: World):
    """Both are built before either is committed: at the commit the second is recognised again."""
    empty.send("1.dcm", instance(1, study="1.2.3.1", uid="1.2.3.9"))
    empty.send("2.dcm", instance(1, study="1.2.3.2", uid="1.2.3.9"))
    empty.send("3.dcm", instance(2, study="1.2.3.2"))
    assert counted(empty.ingest()) == {"studies": 2, "stored": 2, "conflicts": 1}
    assert counted(empty.ingest()) == {"duplicates": 3}
    assert contents(empty.export()) == sorted(empty.sent.values())
    assert empty.leftovers() == []


def test_small_studies_are_synced_and_committed_together(empty: World, monkeypatch: pytest.MonkeyPatch):
    groups = watched_groups(monkeypatch)
    for number in range(70):
        empty.send(f"{number}.dcm", instance(1, study=f"1.2.9.{number}"))
    assert counted(empty.ingest()) == {"studies": 70, "stored": 70}
    assert groups == [64, 6]


def test_the_files_open_at_once_are_bounded_by_what_the_system_allows(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    groups = watched_groups(monkeypatch)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (96, 96))
    for number in range(10):
        empty.send(f"{number}.dcm", instance(1, study=f"1.2.9.{number}"))
    empty.ingest(tier="cold")
    assert groups == [4, 4, 2]


def test_no_descriptor_and_no_thread_is_left(held: World):
    with held.opened() as stores:
        held.ingest_into(stores)
    before, threads = os.listdir("/proc/self/fd"), threading.active_count()
    for number in range(3):
        held.send(f"more-{number}.dcm", instance(1, study=f"1.2.9.{number}"))
        with held.opened() as stores:
            held.ingest_into(stores)
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert threading.active_count() == threads


def test_a_file_that_changes_while_it_is_ingested_is_refused_and_the_others_are_kept(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    for number in (1, 2, 3):
        empty.send(f"{number}.dcm", instance(number))
    honest = ingest.Ingest._build_and_finish

    def changing(self: ingest.Ingest, *rest: Any) -> object:
        (empty.source / "2.dcm").write_bytes(instance(2, pixels=9))
        return honest(self, *rest)

    monkeypatch.setattr(ingest.Ingest, "_build_and_finish", changing)
    report = empty.ingest()
    assert counted(report) == {"studies": 1, "stored": 2, "unreadable": 1}
    assert [(Path(each.path).name, "changed" in each.reason) for each in report.refused] == [("2.dcm", True)]
    assert contents(empty.export()) == sorted([instance(1), instance(3)])
    monkeypatch.undo()
    assert counted(empty.ingest()) == {"studies": 1, "stored": 1, "duplicates": 2}


def test_a_study_of_which_nothing_can_be_taken_leaves_nothing(empty: World, monkeypatch: pytest.MonkeyPatch):
    empty.send("1.dcm", instance(1))
    honest = ingest.Ingest._build_and_finish

    def changing(self: ingest.Ingest, *rest: Any) -> object:
        (empty.source / "1.dcm").unlink()
        return honest(self, *rest)

    monkeypatch.setattr(ingest.Ingest, "_build_and_finish", changing)
    assert counted(empty.ingest()) == {"unreadable": 1}
    assert empty.packages() == []
    assert empty.leftovers() == []


def test_a_missing_path_an_unknown_tier_and_an_unknown_institution_are_told_first(held: World):
    with held.opened() as stores:
        with pytest.raises(NotFoundError, match="there is neither a file nor a folder"):
            held.ingest_into(stores, held.root / "nowhere")
        with pytest.raises(NotFoundError, match="there is no tier warm"):
            held.ingest_into(stores, tier="warm")
        held.institution = "neckar"
        with pytest.raises(UsageError, match="there is no institution neckar") as refused:
            held.ingest_into(stores)
    assert "did you mean necker?" in str(refused.value.hint)
    assert held.leftovers() == []


def test_a_volume_that_is_away_becomes_write_debt(empty: World):
    empty.send("1.dcm", instance(1))
    empty.volume("cold-2").rename(empty.root / "away")
    report = empty.ingest(tier="cold")
    assert (report.stored, report.write_debt) == (1, 1)
    (package,) = empty.packages()
    assert [s.state for s in package.shards if s.volume is None] == [ShardState.UNPLACED]
    assert report.bytes_stored == 5 * package.shards[0].size_bytes
    assert contents(empty.export()) == [instance(1)]


def test_below_k_plus_one_volumes_nothing_is_accepted(empty: World):
    empty.send("1.dcm", instance(1))
    for name in COLD[-2:]:
        empty.volume(name).rename(empty.root / f"away-{name}")
    with pytest.raises(PlacementError, match="only 4 of 6 shards find a ready volume, 5 are needed"):
        empty.ingest(tier="cold")
    assert empty.packages() == []
    with empty.opened():
        assert empty.leftovers() == []


def test_one_copy_of_two_is_enough_and_none_is_not(empty: World):
    empty.send("1.dcm", instance(1))
    empty.volume("hot-a").rename(empty.root / "away-a")
    assert empty.ingest().write_debt == 1
    empty.send("2.dcm", instance(2))
    empty.volume("hot-b").rename(empty.root / "away-b")
    with pytest.raises(PlacementError):
        empty.ingest(empty.source / "2.dcm")
    assert len(empty.packages()) == 1


def test_each_study_is_one_entry_of_the_journal_with_its_manifest_and_no_name(empty: World):
    empty.send("1.dcm", instance(1, patient="IPP-SECRET"))
    empty.ingest()
    with empty.opened() as stores:
        entries = [entry for entry in stores.journal.read() if entry.envelope.action == events.PACKAGE_INGEST]
        (package,) = stores.catalog.all_packages()
    (entry,) = entries
    assert entry.envelope.objects["package"] == package.package_id
    assert set(entry.envelope.objects) == {"package", "study", "patient"}
    assert package.sequence == entry.envelope.seq
    for secret in (b"IPP-SECRET", b"DOE", STUDY.encode(), b"1.dcm"):
        assert secret not in entry.line
        assert secret not in (entry.payload or b"")


def test_nothing_personal_stands_in_clear_on_any_volume(empty: World):
    empty.send("1.dcm", instance(1, patient="IPP-SECRET"))
    empty.send("odd.dcm", unidentified())
    empty.ingest(tier="cold")
    empty.audit()
    for path in empty.files():
        data = path.read_bytes()
        assert not any(
            secret in data for secret in (b"IPP-SECRET", b"DOE^JANE", STUDY.encode(), b"odd.dcm")
        ), path


def test_an_error_of_the_finishing_thread_ends_the_run_with_nothing_open(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    """Whatever it is. The group built meanwhile is discarded, the list is left to the next start."""
    for number in range(6):
        empty.send(f"{number}.dcm", instance(1, study=f"1.2.9.{number}"))
    monkeypatch.setattr(ingest, "GROUP_PACKAGES", 2)
    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(finish, "_commit", lambda *_: (_ for _ in ()).throw(ZeroDivisionError))
        with pytest.raises(ZeroDivisionError):
            empty.ingest()
    assert len(os.listdir("/proc/self/fd")) == before
    assert list(empty.root.glob("*/incoming/*")) == []
    assert len(list((empty.root / "sessions").iterdir())) == 1
    assert counted(empty.ingest()) == {"studies": 6, "stored": 6}
    assert empty.leftovers() == []


def test_a_list_that_cannot_be_written_ends_the_run_before_anything_is_published(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    empty.send("1.dcm", instance(1))

    def full(*_: object) -> None:
        raise ArchiveError("no space for the list")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "intend", full)
        with pytest.raises(ArchiveError, match="no space"):
            empty.ingest()
    assert empty.shards() == []
    assert list(empty.root.glob("*/incoming/*")) == []
    assert counted(empty.ingest()) == {"studies": 1, "stored": 1}


def test_what_was_built_before_an_error_is_still_committed(empty: World, monkeypatch: pytest.MonkeyPatch):
    for number in range(3):
        empty.send(f"{number}.dcm", instance(1, study=f"1.2.9.{number}"))
    honest, built = PackageBuilder.begin, Counter[str]()

    def failing(self: PackageBuilder, *rest: Any) -> object:
        built["times"] += 1
        if built["times"] == 3:
            raise PlacementError("full")
        return honest(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(PackageBuilder, "begin", failing)
        with pytest.raises(PlacementError, match="full"):
            empty.ingest()
    assert len(empty.packages()) == 2
    assert counted(empty.ingest()) == {"studies": 1, "stored": 1, "duplicates": 2}


def test_a_package_that_fails_alone_is_told_and_does_not_stop_the_others(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    for number in range(3):
        empty.send(f"{number}.dcm", instance(1, study=f"1.2.9.{number}"))
    honest, seen = making._verify, Counter[str]()

    def failing(built: BuiltPackage) -> object:
        seen["times"] += 1
        if seen["times"] == 2:
            built.uploads.discard()
            return PlacementError("the medium gives back other bytes")
        return honest(built)

    with monkeypatch.context() as patch:
        patch.setattr(making, "_verify", failing)
        report = empty.ingest()
    assert counted(report) == {"studies": 2, "stored": 2}
    assert [failure.message for failure in report.failures] == ["the medium gives back other bytes"]
    assert empty.leftovers() == []
    assert counted(empty.ingest()) == {"studies": 1, "stored": 1, "duplicates": 2}


def test_who_acts_is_in_the_journal_as_a_digest(empty: World):
    empty.send("1.dcm", instance(1))
    with empty.opened(person="Jeanne d’Arc") as stores:
        empty.ingest_into(stores)
        actors = {entry.envelope.actor for entry in stores.journal.read()}
        (person,) = actors - {"retention"}
        assert person == stores.actor
        assert person.startswith("person-")
        assert "Jeanne" not in person


def test_hot_and_cold_are_where_they_say(held: World):
    by_tier = {package.tier: {shard.volume for shard in package.shards} for package in held.packages()}
    assert by_tier == {"hot": set(HOT), "cold": set(COLD)}


def test_an_archive_without_institutions_makes_the_first_and_no_second(empty: World):
    with empty.opened() as stores:
        assert stores.catalog.institutions() == []
        institutions.first_or_known(stores, "necker")
        assert [record.spec.name for record in stores.catalog.institutions()] == ["necker"]
        with pytest.raises(UsageError):
            institutions.first_or_known(stores, "cochin")
