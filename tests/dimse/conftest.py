"""The archives of the tests of services, behind the DICOM door, and a peer that is called."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from retention.dimse.server import serve_on
from retention.model.layout import DimseSpec
from retention.services.staging.receiver import Receiver
from tests.dimse.peer import Peer
from tests.services.conftest import empty_template, folder, held, held_template, templates, unsynced
from tests.services.world import World

__all__ = ["empty_template", "folder", "held", "held_template", "opened", "peer", "templates", "unsynced"]


@pytest.fixture
def peer():
    with Peer() as peer:
        yield peer


@pytest.fixture
def opened(held: World, peer: Peer):
    """An archive's stores, its door and its port; the peer is told of recalls."""
    settings = Path(held.root, "archive.yaml")
    text = settings.read_text().replace("institutions: {}", "institutions: {necker: {ae_titles: [CT1]}}")
    text += f"\npeers: {{viewer: {{ae_title: VIEWER, host: 127.0.0.1, port: {peer.port}, notify: true}}}}\n"
    settings.write_text(text)
    with held.opened() as stores, Receiver(stores) as receiver:
        listening = socket.create_server(("127.0.0.1", 0))
        listener = serve_on(listening, stores, receiver, DimseSpec())
        listener.after_recall.stop()  # the test looks when it wants to
        yield stores, listener, listening.getsockname()[1]
        listener.stop(grace_s=1.0)
