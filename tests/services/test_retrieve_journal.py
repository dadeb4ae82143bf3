"""Who is given what: in the journal before the first byte, and never into the archive itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retention.model.errors import UsageError, VolumeUnavailableError
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study
from tests.services.instances import STUDY
from tests.services.test_retrieve import export, written
from tests.services.world import World


def test_the_journal_knows_before_the_first_byte_is_given(held: World, tmp_path: Path, monkeypatch):
    seen: list[object] = []

    def look(path: Path, blocks: Iterator[bytes]) -> None:
        seen.append(list(stores.journal.read())[-1].envelope.data)

    monkeypatch.setattr("retention.services.retrieve._write", look)
    with held.opened() as stores:
        export_study(stores, stores.catalog.study(STUDY), tmp_path, NoProgress(), jobs=1)
    assert seen[0] == {"intent": True, "instances": 3}


def test_nothing_is_given_when_the_journal_cannot_take_it(held: World, tmp_path: Path, monkeypatch):
    def refuse(*_: object) -> None:
        raise VolumeUnavailableError("no journal")

    with held.opened() as stores:
        monkeypatch.setattr(stores.journal, "append", refuse)
        with pytest.raises(VolumeUnavailableError):
            export_study(stores, stores.catalog.study(STUDY), tmp_path / "out", NoProgress())
    assert written(tmp_path / "out") == {}


def test_an_export_that_is_stopped_leaves_an_entry(held: World, tmp_path: Path, monkeypatch):
    def stop(path: Path, blocks: Iterator[bytes]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("retention.services.retrieve._write", stop)
    with held.opened() as stores:
        with pytest.raises(KeyboardInterrupt):
            export_study(stores, stores.catalog.study(STUDY), tmp_path, NoProgress(), jobs=1)
        last = list(stores.journal.read())[-1].envelope
    assert last.data == {"instances": 0, "bytes": 0, "failed": 0, "aborted": True}


def test_nothing_is_given_into_the_archive_itself(held: World, tmp_path: Path):
    (tmp_path / "way-in").symlink_to(held.volume("hot-a"))
    before = held.digest()
    for out in (held.root / "out", held.volume("hot-a"), tmp_path / "way-in" / "out", held.root / "x" / ".."):
        with pytest.raises(UsageError, match="inside the archive"):
            export(held, STUDY, out)
    assert held.digest() == before
    assert not (held.root / "out").exists()
