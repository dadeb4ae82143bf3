"""The processes that listen: as many as share the socket, each with its own staging log and its own lock of Python's.

They live as long as this process holds their stdin; one that dies is started again, and what it had acknowledged is
staged.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retention.model.clock import SystemClock
from retention.model.errors import ArchiveError, UsageError

MOST = 4
STOP_TIMEOUT_S = 15.0
BACKLOG = 128
SYSTEMD_DESCRIPTOR = 3
"""Where systemd passes the first socket (sd_listen_fds)."""

SYSTEMD_LISTENER = "dimse"
"""Whose that socket is."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A door: the module that serves it, where it listens, by how many processes. `section`: in archive.yaml."""

    module: str
    section: str
    host: str
    port: int
    processes: int


class ReceiverProcesses:
    """Starts, watches and stops the receivers of one listener."""

    def __init__(self, root: Path, listener: Listener, tell: Callable[[str], None]) -> None:
        self._root = root
        self._listener = listener
        self._tell = tell
        self._processes: list[subprocess.Popen[bytes]] = []
        self._listening: socket.socket | None = None

    def start(self) -> None:
        """Listen, and start them. Raises UsageError when the port cannot be had.

        From here on nobody is turned away: who connects before they are ready waits for them.
        """
        self._listening = listening_socket(self._listener)
        for _ in range(self._listener.processes):
            self._processes.append(self._begin())

    @property
    def port(self) -> int:
        """Where it listens. Raises ArchiveError when it does not."""
        if self._listening is None:
            raise ArchiveError("nothing listens")
        port: int = self._listening.getsockname()[1]
        return port

    def wait_until_listening(self) -> None:
        """Wait until all listen. Raises ArchiveError when one could not begin."""
        for process in self._processes:
            if not _is_ready(process):
                self.stop()
                raise ArchiveError("a receiver could not begin", hint="what it said stands above")

    def restart_dead(self) -> None:
        """Start again what has died."""
        for position, process in enumerate(self._processes):
            if process.poll() is not None:
                self._tell("dead")
                self._processes[position] = again = self._begin()
                _is_ready(again)

    def begin_stop(self) -> None:
        """Tell them to take nothing new and to finish what is under way."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()

    def stop(self) -> None:
        """Wait until they have finished; after STOP_TIMEOUT_S, for all of them together, they are ended."""
        self.begin_stop()
        clock = SystemClock()
        end_s = clock.monotonic_s() + STOP_TIMEOUT_S
        for process in self._processes:
            try:
                process.wait(max(0.0, end_s - clock.monotonic_s()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._processes.clear()
        if self._listening is not None:
            self._listening.close()

    def _begin(self) -> subprocess.Popen[bytes]:
        if self._listening is None:
            raise ArchiveError("nothing listens")
        descriptor = self._listening.fileno()
        return subprocess.Popen(  # noqa: S603  # this program itself
            [sys.executable, "-m", self._listener.module, str(self._root), str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(descriptor,),
        )


def _is_ready(process: subprocess.Popen[bytes]) -> bool:
    return process.stdout is not None and process.stdout.readline() == b"ready\n"


def receivers_at_once() -> int:
    """How many processes receive for the DICOM network."""
    return min(os.cpu_count() or 1, MOST)


def listening_socket(listener: Listener) -> socket.socket:
    """Return a socket that listens: the one that systemd gave, else a new one. Raises UsageError for a port in use."""
    is_given = os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1"
    if is_given and listener.section == SYSTEMD_LISTENER:
        return socket.socket(fileno=SYSTEMD_DESCRIPTOR)
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    try:
        return socket.create_server((listener.host, listener.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(
            f"{listener.host}:{listener.port} cannot be listened on: {error.strerror}",
            hint=f"stop what listens there, or name another port: `listeners: {listener.section}:` in archive.yaml",
        ) from error
