"""Archives for the tests of services: made once, copied for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.instances import instance
from tests.services.world import World, memory_backed


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="retention-", dir=memory_backed(tmp_path_factory.getbasetemp())))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def empty_template(templates: Path) -> World:
    (templates / "empty").mkdir()
    return World.make(templates / "empty")


@pytest.fixture(scope="session")
def held_template(empty_template: World, templates: Path) -> World:
    """Two studies: one of three instances on hot, one of two on cold."""
    (templates / "held").mkdir()
    world = empty_template.copy(templates / "held")
    hot = [world.send(f"hot-{n}.dcm", instance(n, study="1.2.840.99.1")) for n in (1, 2, 3)]
    cold = [world.send(f"cold-{n}.dcm", instance(n, study="1.2.840.99.2", patient="IPP-2")) for n in (1, 2)]
    world.ingest(*hot, tier="hot")
    world.ingest(*cold, tier="cold")
    return world


@pytest.fixture
def folder(templates: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(dir=templates))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def empty(empty_template: World, folder: Path) -> World:
    """An archive that was just made."""
    return empty_template.copy(folder)


@pytest.fixture
def held(held_template: World, folder: Path) -> World:
    """An archive that holds two studies: 1.2.840.99.1 on hot (3 instances), 1.2.840.99.2 on cold (2)."""
    return held_template.copy(folder)


@pytest.fixture
def known(empty: World) -> World:
    """An archive with two studies of two patients whose birth dates are possible."""
    empty.send("a.dcm", instance(1, born="19600229"))
    empty.send("b.dcm", instance(1, study="1.2.840.99.2", patient="IPP-2", born="19600229"))
    empty.ingest()
    return empty


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let syncs cost nothing: nobody cuts the power here (tests of storage do)."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)
