"""The scheduler's process: `python -m retention.scheduler ROOT [INSTANT]`. `retention serve` starts it.

It says `ready` on stdout, and stops when its stdin ends: when whoever started it stops it, or dies. What is under way
then finishes its present step. INSTANT is what its clock shows at the beginning, on a rehearsal archive.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path

from retention.model.clock import parse_instant
from retention.services import logs

SETTLE_S = 10.0
"""How long it leaves the machine to the doors, which begin at the same time."""


def main(root: Path, as_of: str | None) -> None:
    """Run what is due until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: who started us decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.configure("scheduler", logging.INFO if logs.is_json() else logging.WARNING)
    over = threading.Event()
    stops = [over.set]

    def read_stdin() -> None:
        sys.stdin.read()
        for stop in stops:
            stop()

    threading.Thread(target=read_stdin, name="stdin", daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if over.wait(SETTLE_S):
        return
    from retention.scheduler.serving import scheduler_of

    scheduler = scheduler_of(root, None if as_of is None else parse_instant(as_of))
    stops.append(scheduler.stop)
    if not over.is_set():
        scheduler.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
