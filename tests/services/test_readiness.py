"""Whether the archive can work now: each thing that it needs is looked at, and said when it is missing."""

from __future__ import annotations

import shutil

from retention.services.readiness import obstacles
from retention.storage.directory import DirectoryVolume
from tests.services.world import REPLICAS


def test_a_sound_archive_is_ready_and_stays_as_it_was(held):
    before = held.digest()
    with held.opened(to_write=False) as stores:
        assert obstacles(stores) == []
    assert held.digest() == before


def test_too_few_volumes_for_the_journal_are_said(held):
    for name in REPLICAS[:-1]:
        shutil.move(held.volume(name), held.root / f"{name}-away")
    with held.opened(to_write=False) as stores:
        found = obstacles(stores)
    assert any("the journal can be written on 1 volumes, 2 are needed" in each for each in found)


def test_full_volumes_are_said(held, monkeypatch):
    monkeypatch.setattr(DirectoryVolume, "free_bytes", lambda _: 0)
    with held.opened(to_write=False) as stores:
        (found,) = obstacles(stores)
    assert found.startswith("nothing can be received")
