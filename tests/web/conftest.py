"""The archives of the tests of services, behind the web door."""

from __future__ import annotations

import pytest

from retention.dicom.pixels.decoding import Decoding
from retention.services.staging.receiver import Receiver
from retention.web.app import make_app
from tests.services.conftest import empty_template, folder, held, held_template, templates, unsynced
from tests.services.world import World
from tests.web.asking import Asking

__all__ = ["empty_template", "folder", "held", "held_template", "opened", "templates", "unsynced"]


@pytest.fixture(scope="session")
def decoding():
    with Decoding(1) as decoding:
        yield decoding


@pytest.fixture
def opened(held: World, decoding: Decoding):
    """An archive's stores, and a client of its web door."""
    with held.opened() as stores, Receiver(stores) as receiver:
        yield stores, Asking(make_app(stores, receiver, decoding))
