"""The web process: `python -m retention.web ROOT FD`. `retention serve` starts it.

It says `ready` on stdout once it serves, and stops when its stdin ends: when whoever started it stops it, or dies.
What is under way then is finished first.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from contextlib import closing
from pathlib import Path

import uvicorn

from retention.archive import open_archive
from retention.dicom.pixels.decoding import Decoding
from retention.model.layout import WebSpec
from retention.services import logs
from retention.services.staging.receiver import Receiver
from retention.web.app import make_app
from retention.web.door import door_of
from retention.web.serving import config_of


class _Server(uvicorn.Server):
    """Says when it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write("ready\n")
        sys.stdout.flush()


def main(root: Path, descriptor: int) -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: who started us decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.configure("web")
    with closing(open_archive(root)) as stores, Receiver(stores) as receiver, Decoding() as decoding:
        spec = stores.settings.web or WebSpec()
        door = door_of(stores, spec)
        server = _Server(config_of(make_app(stores, receiver, decoding, door), spec, root))
        serving = threading.Thread(  # not the main one: there it would take the signals
            target=server.run, args=([socket.socket(fileno=descriptor)],), name="web"
        )
        serving.start()
        decoding.warm()
        door.witness.start()
        sys.stdin.read()
        server.should_exit = True
        serving.join()
        door.witness.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
