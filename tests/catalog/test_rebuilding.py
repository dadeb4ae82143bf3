"""A rebuilt catalog takes the place of the old one whole, or not at all."""

from __future__ import annotations

import sqlite3
import stat
from itertools import count
from pathlib import Path

import pytest

from retention.catalog import files
from retention.catalog.catalog import Catalog
from retention.catalog.rebuilding import create_beside, discard, install
from retention.model.errors import CatalogError, CatalogMissingError
from tests.catalog.making import ARCHIVE, URL, furnish, keep, package, study_uid


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def rebuild(root: Path, *numbers: int) -> None:
    building = create_beside(URL, ARCHIVE, root=root)
    furnish(building)
    keep(building, *(package(number) for number in numbers))
    install(building, URL, root=root)


def held(root: Path) -> list[str]:
    with Catalog.open(URL, root=root) as catalog:
        assert catalog.check() == []
        return [line.study_uid for line in catalog.studies()]


def test_a_catalog_is_rebuilt_where_there_is_none(tmp_path: Path):
    rebuild(tmp_path, 1, 2)
    assert names(tmp_path) == ["catalog.db"]
    assert held(tmp_path) == [study_uid(1), study_uid(2)]


def test_the_rebuilt_one_replaces_the_old_one(tmp_path: Path):
    rebuild(tmp_path, 1)
    rebuild(tmp_path, 2, 3)
    assert held(tmp_path) == [study_uid(2), study_uid(3)]


def test_until_it_is_installed_the_old_one_is_in_use(tmp_path: Path):
    rebuild(tmp_path, 1)
    building = create_beside(URL, ARCHIVE, root=tmp_path)
    furnish(building)
    assert held(tmp_path) == [study_uid(1)]
    discard(building, URL, root=tmp_path)
    assert names(tmp_path) == ["catalog.db"]


def test_what_an_interrupted_rebuild_left_is_removed_by_the_next(tmp_path: Path):
    building = create_beside(URL, ARCHIVE, root=tmp_path)
    furnish(building)
    keep(building, package(7))
    rebuild(tmp_path, 1)
    assert held(tmp_path) == [study_uid(1)]


def test_the_log_of_the_old_one_is_not_taken_for_the_new_ones(tmp_path: Path):
    """The old catalog is lost but its write-ahead log is not: `rm catalog.db`."""
    rebuild(tmp_path, 1)
    old = Catalog.open(URL, root=tmp_path)
    keep(old, package(5))
    (tmp_path / "catalog.db").unlink()
    assert "catalog.db-wal" in names(tmp_path)
    rebuild(tmp_path, 1)
    assert held(tmp_path) == [study_uid(1)]
    old.close()
    assert held(tmp_path) == [study_uid(1)]


@pytest.mark.parametrize(("step", "call"), [("remove_file", 0), ("sync_directory", 0), ("sync_directory", 1)])
def test_interrupted_while_it_takes_the_place_there_is_the_old_or_none_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step, call
):
    rebuild(tmp_path, 1)
    building = create_beside(URL, ARCHIVE, root=tmp_path)
    furnish(building)
    keep(building, package(2))
    real, calls = getattr(files, step), count()

    def dies(file: Path) -> None:
        if next(calls) == call:
            raise KeyboardInterrupt
        real(file)

    monkeypatch.setattr(files, step, dies)
    with pytest.raises(KeyboardInterrupt):
        install(building, URL, root=tmp_path)
    monkeypatch.undo()
    try:
        assert held(tmp_path) in ([study_uid(1)], [study_uid(2)])
    except CatalogMissingError:
        assert not (tmp_path / "catalog.db").exists()
    rebuild(tmp_path, 3)
    assert held(tmp_path) == [study_uid(3)]


def test_a_rebuilt_catalog_is_private_and_durable(tmp_path: Path):
    rebuild(tmp_path, 1)
    assert stat.S_IMODE((tmp_path / "catalog.db").stat().st_mode) == 0o600
    raw = sqlite3.connect(tmp_path / "catalog.db")
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    raw.close()


def test_nothing_is_installed_that_was_not_built(tmp_path: Path):
    rebuild(tmp_path, 1)
    building = create_beside(URL, ARCHIVE, root=tmp_path)
    discard(building, URL, root=tmp_path)
    with pytest.raises(CatalogMissingError):
        install(building, URL, root=tmp_path)
    assert held(tmp_path) == [study_uid(1)]


def test_a_catalog_is_rebuilt_beside_the_old_one_wherever_it_is(room: str):
    for numbers in ((1,), (2, 3)):
        building = create_beside(room, ARCHIVE)
        furnish(building)
        keep(building, *(package(number) for number in numbers))
        if numbers != (1,):
            with Catalog.open(room) as old:
                assert [line.study_uid for line in old.studies()] == [study_uid(1)]
        install(building, room)
    with Catalog.open(room) as catalog:
        assert catalog.check() == []
        assert [line.study_uid for line in catalog.studies()] == [study_uid(2), study_uid(3)]
        keep(catalog, package(4))


def test_what_was_not_finished_is_taken_away_wherever_it_is(room: str):
    discard(create_beside(room, ARCHIVE), room)
    create_beside(room, ARCHIVE).close()
    discard(create_beside(room, ARCHIVE), room)
    with pytest.raises((CatalogMissingError, CatalogError)):
        Catalog.open(room)


def test_a_server_that_does_not_answer_is_told_as_such(tmp_path: Path):
    with pytest.raises(CatalogError, match="does not answer") as caught:
        Catalog.open(f"postgresql+psycopg://r:secret@/d?host={tmp_path}")
    assert "secret" not in caught.value.message
