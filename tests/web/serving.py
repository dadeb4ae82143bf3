"""A door in this process, on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from retention.dicom.pixels.decoding import Decoding
from retention.model.layout import WebSpec
from retention.services.staging.receiver import Receiver
from retention.services.stores import Stores
from retention.web.app import make_app
from retention.web.door import door_of
from retention.web.serving import config_of
from tests.services.world import until

SEND_BUFFER_BYTES = 4096
"""Small, so that it is soon full."""


@contextmanager
def served(stores: Stores, decoding: Decoding, spec: WebSpec) -> Iterator[tuple[str, int]]:
    """Serve what archive.yaml would describe so; yield where."""
    with Receiver(stores) as receiver:
        app = make_app(stores, receiver, decoding, door_of(stores, spec))
        server = uvicorn.Server(config_of(app, spec, stores.root))
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            assert until(lambda: server.started)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join()
