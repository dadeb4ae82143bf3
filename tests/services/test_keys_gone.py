"""One key that is gone costs what it opened, and nothing else; and a witness is not thrown away."""

from __future__ import annotations

import shutil

import pytest

from retention.archive import rebuild_archive_catalog
from retention.model.errors import CatalogError
from retention.services.progress import NoProgress
from tests.services.instances import instance
from tests.services.world import REPLICAS, World


def forget_by_hand(world: World, key_id: str) -> None:
    for name in REPLICAS:
        path = world.volume(name) / "keyring" / "packages-000001.keys"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if key_id.encode() not in line))


def test_a_package_without_its_key_does_not_stop_a_rebuild(held: World) -> None:
    lost, kept = held.packages()
    forget_by_hand(held, lost.key_id)
    for file in held.root.glob("catalog.db*"):
        file.unlink()
    rebuild_archive_catalog(held.root, NoProgress())
    with held.opened(to_write=False) as stores:
        assert [study.study_uid for study in stores.catalog.studies()] == [kept.study_uid]
    assert {package.package_id for package in held.packages()} == {lost.package_id, kept.package_id}


def test_a_rebuild_refuses_to_replace_a_catalog_that_knows_more_than_the_journal(held: World) -> None:
    before = {name: held.volume(name) / "journal" for name in REPLICAS}
    for name, journal in before.items():
        shutil.copytree(journal, held.root.parent / f"older-{name}")
    held.send("late.dcm", instance(9, study="1.2.840.99.9"))
    held.ingest()
    for name, journal in before.items():
        shutil.rmtree(journal)
        shutil.copytree(held.root.parent / f"older-{name}", journal)
    with pytest.raises(CatalogError, match="entries"):
        rebuild_archive_catalog(held.root, NoProgress())
    assert (held.root / "catalog.db").exists()
