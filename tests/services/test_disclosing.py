"""Reading goes on while the journal is full, and what was given out is entered when it is not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from retention.model.errors import VolumeFullError
from retention.services import disclosing
from retention.services.disclosing import enter_late, waiting
from retention.services.durable_file import write_durably
from retention.services.entries.holds import HOLD_RELEASE
from retention.services.events import STUDY_EXPORT
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study
from retention.services.stores import Stores
from tests.services.instances import STUDY
from tests.services.test_retrieve import written
from tests.services.world import World


def full(*_: object) -> None:
    raise VolumeFullError("2 of 5 replicas took what was written")


def exported(stores: Stores, out: Path) -> None:
    export_study(stores, stores.catalog.study(STUDY), out, NoProgress(), jobs=1)


def exports(stores: Stores) -> list[dict[str, object]]:
    found = [entry.envelope for entry in stores.journal.read() if entry.envelope.action == STUDY_EXPORT]
    return [dict(envelope.data) for envelope in found]


def test_a_study_is_given_while_the_journal_is_full_and_entered_late(held: World, tmp_path: Path):
    with held.opened() as stores, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores.journal, "append", full)
        at = stores.clock.now()
        exported(stores, tmp_path / "out")
        assert enter_late(stores) == 0
        assert exports(stores) == []
    assert len(written(tmp_path / "out")) == 3
    kept = waiting(held.root)
    assert len(kept) == 2  # what was to be given, and what was
    assert STUDY not in "".join(path.read_text() for path in kept)
    with held.opened() as stores:  # whoever writes next enters it
        assert waiting(held.root) == []
        intent, given = exports(stores)
        assert (intent["intent"], given["instances"]) == (True, 3)
        late = given[disclosing.LATE]
        assert isinstance(late, dict)
        assert late["at"] >= at.strftime("%Y-%m-%dT%H:%M:%S")
        assert late["kept"] == kept[1].stem
        assert stores.catalog.study(STUDY).summary.study_uid == STUDY


def test_changes_are_refused_while_the_journal_is_full(held: World):
    with held.opened() as stores, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores.journal, "append", full)
        from retention.model.layout import InstitutionSpec
        from retention.services import institutions

        with pytest.raises(VolumeFullError):
            institutions.add(stores, InstitutionSpec("pasteur"))
        assert [one.spec.name for one in stores.catalog.institutions()] == [held.institution]
    assert waiting(held.root) == []


def test_nothing_is_given_when_it_can_be_written_nowhere(held: World, tmp_path: Path):
    (held.root / disclosing.FOLDER).write_text("no folder")
    with held.opened() as stores, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores.journal, "append", full)
        with pytest.raises(VolumeFullError):
            exported(stores, tmp_path / "out")
    assert written(tmp_path / "out") == {}


def test_the_folder_of_what_is_kept_outlives_a_power_cut(held: World, monkeypatch: pytest.MonkeyPatch):
    synced: list[str] = []
    honest = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_durably(held.root / disclosing.FOLDER / "a.json", {"entries": []})
    assert str(held.root) in synced


def test_a_file_that_somebody_changed_stays_and_hinders_nobody(held: World):
    folder = held.root / disclosing.FOLDER
    folder.mkdir()
    told: dict[str, object] = {
        "at": "2026-11-24T05:32:03.000000Z",
        "actor": "dr",
        "institution": None,
        "objects": {},
        "data": {},
    }
    forged = {"entries": [{**told, "action": HOLD_RELEASE}]}
    for name, content in {
        "a": "no json",
        "b": json.dumps({"entries": [{}]}),
        "c": json.dumps(forged),
    }.items():
        (folder / f"{name}.json").write_text(content)
    with held.opened():
        assert len(waiting(held.root)) == 3
