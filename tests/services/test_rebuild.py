"""The catalog is lost and made again from the volumes alone: as before, or an error that says what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from retention.archive import rebuild_archive_catalog
from retention.model.errors import (
    ArchiveNotFoundError,
    CatalogError,
    CatalogMissingError,
    JournalBrokenError,
    KeyUnavailableError,
    VolumeUnavailableError,
)
from retention.model.identifiers import ArchiveId
from retention.model.layout import InstitutionSpec
from retention.services import institutions, keys, rebuild
from retention.services.progress import NoProgress
from retention.services.projection import Projection
from retention.storage.identity import VolumeIdentity
from tests.services.instances import STUDY, instance, unidentified
from tests.services.world import REPLICAS, VOLUMES, World


def known(world: World) -> dict[str, Any]:
    """Return everything the catalog knows."""
    with world.opened() as stores:
        catalog = stores.catalog
        uids = [(study.study_uid, study.institution) for study in catalog.studies()]
        return {
            "packages": sorted(catalog.all_packages(), key=lambda package: package.sequence),
            "studies": [catalog.study(*uid) for uid in uids],
            "institutions": catalog.institutions(),
            "volumes": catalog.volumes(),
            "quarantine": list(catalog.quarantined()),
            "flawed": list(catalog.flawed_shards()),
            "counts": catalog.counts(),
            "position": catalog.position(),
            "recovery": catalog.state("keys.recovery-stored"),
            "problems": catalog.check(),
        }


def lose(world: World) -> None:
    for path in world.root.glob("catalog.db*"):
        path.unlink()


def made_again(world: World) -> rebuild.RebuildReport:
    return rebuild_archive_catalog(world.root, NoProgress())


@pytest.fixture
def lived(held: World) -> World:
    """An archive to which everything has happened that the catalog hears of."""
    held.send("odd.dcm", unidentified())
    held.send("late.dcm", instance(4))
    held.send("conflict.dcm", instance(1, pixels=70))
    held.ingest()
    with held.opened() as stores:
        institutions.add(stores, InstitutionSpec("cochin", "Hôpital Cochin", timezone="Europe/Paris"))
        keys.record_recovery_stored(stores)
    held.institution = "cochin"
    held.ingest(held.source / "cold-1.dcm", tier="cold")
    packages = held.packages()
    held.shard(packages[0], 0).unlink()
    held.shard(packages[1], 1).write_bytes(b"garbage")
    held.audit()
    held.shard(packages[2], 0).unlink()
    held.audit(repair=False)
    held.volume("cold-6").rename(held.root / "away")
    held.send("debt.dcm", instance(1, study="1.2.9.9"))
    held.ingest(held.source / "debt.dcm", tier="cold")
    (held.root / "away").rename(held.volume("cold-6"))
    return held


def test_it_is_as_it_was(lived: World):
    before = known(lived)
    assert before["flawed"] != []
    assert before["problems"] == []
    lose(lived)
    report = made_again(lived)
    assert known(lived) == before
    counts = before["counts"]
    assert (report.studies, report.packages, report.entries) == (
        counts.studies,
        counts.packages,
        before["position"].size,
    )


def test_a_damaged_catalog_is_replaced_as_a_missing_one_is(lived: World):
    before = known(lived)
    lived.root.joinpath("catalog.db").write_bytes(b"garbage" * 1000)
    made_again(lived)
    assert known(lived) == before


def test_any_two_replicas_may_be_lost(held: World):
    before = known(held)
    for gone in combinations(REPLICAS, 2):
        lose(held)
        for name in gone:
            held.volume(name).rename(held.root / f"away-{name}")
        made_again(held)
        assert known(held) == before
        for name in gone:
            (held.root / f"away-{name}").rename(held.volume(name))


def test_one_replica_is_enough_to_know_what_is_held(held: World):
    """Nothing can be written to so few, but it can be read what was."""
    before = [package.package_id for package in held.packages()]
    lose(held)
    for name in REPLICAS[1:]:
        held.volume(name).rename(held.root / f"away-{name}")
    made_again(held)
    assert sorted(package.package_id for package in held.packages()) == sorted(before)
    with pytest.raises(VolumeUnavailableError), held.opened():
        pass


def test_nothing_is_read_from_shards(held: World):
    before = known(held)
    for path in held.shards():
        path.unlink()
    lose(held)
    made_again(held)
    assert known(held) == before


def test_without_the_catalog_nothing_makes_an_empty_one(held: World):
    lose(held)
    with pytest.raises(CatalogMissingError) as missing, held.opened():
        pass
    assert missing.value.hint == "run `retention catalog rebuild`"
    assert list(held.root.glob("catalog.db*")) == []


@pytest.mark.parametrize("failing", ["journal", "entry", "interrupt"])
def test_a_rebuild_that_fails_leaves_what_was_there(
    held: World, failing: str, monkeypatch: pytest.MonkeyPatch
):
    before = known(held)
    honest = Projection.apply

    def apply(self: Projection, transaction: Any, entries: Iterator[Any]) -> None:
        honest(self, transaction, entries)
        raise CatalogError("cannot be understood") if failing == "entry" else KeyboardInterrupt

    with monkeypatch.context() as patch:
        if failing == "journal":
            away = [held.root / f"away-{name}" for name in REPLICAS]
            for name, place in zip(REPLICAS, away, strict=True):
                shutil.copytree(held.volume(name) / "journal", place)
                (held.volume(name) / "journal" / "000000000000.envelopes").write_bytes(b"garbage\n")
            with pytest.raises(JournalBrokenError):
                made_again(held)
            for name, place in zip(REPLICAS, away, strict=True):
                shutil.rmtree(held.volume(name) / "journal")
                place.rename(held.volume(name) / "journal")
        else:
            patch.setattr(Projection, "apply", apply)
            with pytest.raises((CatalogError, KeyboardInterrupt)):
                made_again(held)
    assert sorted(path.name for path in held.root.glob("catalog.db*")) == ["catalog.db"]
    assert known(held) == before


def test_what_a_killed_rebuild_left_is_removed_by_the_next(held: World):
    before = known(held)
    (held.root / "catalog.db.rebuilding").write_bytes(b"half")
    (held.root / "catalog.db.rebuilding-wal").write_bytes(b"half")
    lose(held)
    made_again(held)
    assert known(held) == before
    assert list(held.root.glob("*.rebuilding*")) == []


def test_the_root_key_is_needed_and_a_wrong_one_is_told(held: World):
    lose(held)
    key = held.root / "secrets" / "root.key"
    right = key.read_text()
    key.write_text(f"RETENTION-ROOT-KEY-1 {'00' * 32}\n")
    with pytest.raises(KeyUnavailableError, match="this root key is"):
        made_again(held)
    key.unlink()
    with pytest.raises(KeyUnavailableError, match="cannot be read"):
        made_again(held)
    assert list(held.root.glob("catalog.db*")) == []
    key.write_text(right)
    made_again(held)


def test_volumes_of_two_archives_are_not_mixed(held: World, empty_template: World):
    lose(held)
    other = empty_template.volume("cold-5") / "volume.json"
    held.volume("cold-5").joinpath("volume.json").write_bytes(_of_another_archive(other.read_bytes()))
    with pytest.raises(ArchiveNotFoundError, match="different archives"):
        made_again(held)


def _of_another_archive(identity: bytes) -> bytes:
    found = VolumeIdentity.decode(identity)
    assert found is not None
    return replace(found, archive_id=ArchiveId("0f" * 16)).encode()


def test_without_any_volume_nothing_is_guessed(held: World):
    lose(held)
    for name in VOLUMES:
        held.volume(name).rename(held.root / f"away-{name}")
    with pytest.raises(ArchiveNotFoundError, match="none of the volumes"):
        made_again(held)


def test_large_journals_are_replayed_in_steps(lived: World, monkeypatch: pytest.MonkeyPatch):
    before = known(lived)
    steps: list[int] = []
    apply = Projection.apply
    monkeypatch.setattr("retention.services.projection.BATCH_ENTRIES", 3)

    def counted(self: Projection, transaction: Any, entries: Iterator[Any]) -> None:
        steps.append(1)
        apply(self, transaction, entries)

    monkeypatch.setattr(Projection, "apply", counted)
    lose(lived)
    report = made_again(lived)
    monkeypatch.undo()
    assert len(steps) == -(-report.entries // 3)
    assert known(lived) == before
    assert STUDY in {study.summary.study_uid for study in before["studies"]}
