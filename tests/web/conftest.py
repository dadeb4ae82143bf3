"""The archives of the tests of services, behind the web door."""

from __future__ import annotations

from pathlib import Path

import pytest

from retention.dicom.pixels.decoding import Decoding
from retention.services.staging.receiver import Receiver
from retention.web.app import make_app
from tests.services.conftest import empty_template, folder, held, held_template, templates, unsynced
from tests.services.world import World
from tests.web.asking import Asking
from tests.web.callers import add_pasteur, behind_the_door

__all__ = ["empty_template", "folder", "held", "held_template", "opened", "templates", "unsynced"]


@pytest.fixture(scope="session")
def decoding():
    with Decoding(1) as decoding:
        yield decoding


@pytest.fixture(scope="session")
def hospitals_template(held_template: World, templates: Path) -> World:
    (templates / "hospitals").mkdir()
    world = held_template.copy(templates / "hospitals")
    add_pasteur(world)
    return world


@pytest.fixture
def hospitals(hospitals_template: World, folder: Path, decoding: Decoding):
    """Two hospitals, necker and pasteur, and a client of their web door."""
    with behind_the_door(hospitals_template.copy(folder), decoding) as made:
        yield made


@pytest.fixture
def opened(held: World, decoding: Decoding):
    """An archive's stores, and a client of its web door."""
    with held.opened() as stores, Receiver(stores) as receiver:
        yield stores, Asking(make_app(stores, receiver, decoding))
