"""One receiver process: `python -m retention.dimse ROOT FD`. `retention serve` starts as many as it needs.

It says `ready` on stdout once it serves, and stops when its stdin ends: when whoever started it stops it, or dies.
What is under way then is finished first.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from contextlib import closing
from pathlib import Path

from retention.archive import open_archive
from retention.dimse.server import serve_on
from retention.services import logs
from retention.services.staging.receiver import Receiver


def main(root: Path, descriptor: int) -> None:
    """Receive until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: who started us decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.configure("dimse")
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    with closing(open_archive(root)) as stores, Receiver(stores) as receiver:
        listener = serve_on(socket.socket(fileno=descriptor), stores, receiver, stores.settings.dimse)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()
        listener.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
