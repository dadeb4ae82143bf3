"""What the rest of the program asks for pixels: each answer is made in one of a few processes with limits.

A process that takes too long, crashes or grows is replaced, and its request refused: the program that asked lives on.
They get no key, no credential and no open file of the archive.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import retention
from retention.dicom.pixels.limits import INSTANCE_BYTES, WAIT_S, WALL_S
from retention.dicom.pixels.picture import Look
from retention.dicom.pixels.reading import AS_HELD
from retention.dicom.pixels.wire import LAST, Part, receive, send
from retention.model.errors import NotFoundError, NotReadyError, UndecodableError


class Decoding:
    """Processes that decode: `processes` of them at most, started when they are needed. Used by many threads."""

    def __init__(self, processes: int = 0, *, wall_s: float = WALL_S) -> None:
        self._wall_s = wall_s
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        self._started: set[_Process] = set()
        self._lock = threading.Lock()
        for _ in range(processes or os.cpu_count() or 1):
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop them."""
        with self._lock:
            for process in self._started:
                process.stop()
            self._started.clear()

    def warm(self) -> None:
        """Start one before anybody asks."""
        with suppress(UndecodableError, NotReadyError), self._process():
            pass

    def frames(self, file: bytes, numbers: list[int], *, as_held: bool) -> list[Part]:
        """Return frames, numbered from 1, all for an empty list. Raises as `frames.frames_of`, and NotReadyError."""
        return self._ask(file, {"operation": "frames", "numbers": numbers, "as_held": as_held})

    def bulk(self, file: bytes, path: list[str]) -> list[Part]:
        """Return an element's value. Raises as `frames.bulk_of`, and NotReadyError when no process comes free."""
        return self._ask(file, {"operation": "bulk", "path": path})

    def native(self, file: bytes) -> bytes:
        """Return an instance in Explicit VR Little Endian. Raises as `frames.native_of`, and NotReadyError."""
        return self._ask(file, {"operation": "native"})[0].data

    def picture(self, file: bytes, frame: int, look: Look) -> bytes:
        """Return a frame, numbered from 1, as a picture. Raises as `picture.picture_of`, and NotReadyError."""
        window, viewport = look.window, look.viewport
        asked = {
            "operation": "picture",
            "frame": frame,
            "media_type": look.media_type,
            "quality": look.quality,
            "window": [window.center, window.width, window.function] if window else None,
            "viewport": [viewport.width, viewport.height, viewport.region] if viewport else None,
        }
        return self._ask(file, asked)[0].data

    def _ask(self, file: bytes, asked: dict[str, Any]) -> list[Part]:
        if len(file) > INSTANCE_BYTES:
            raise UndecodableError("the instance is too large to be decoded", hint=AS_HELD)
        with self._process() as process:
            document, parts = process.ask(asked, file, self._wall_s)
        if "absent" in document:
            raise NotFoundError(document["absent"])
        if "refused" in document:
            raise UndecodableError(document["refused"], hint=document["hint"])
        return parts

    @contextmanager
    def _process(self) -> Iterator[_Process]:
        try:
            process = self._idle.get(timeout=WAIT_S)
        except queue.Empty:
            raise NotReadyError("every decoding process is busy", hint="ask again in a moment") from None
        try:
            if process is None or not process.is_alive:
                self._forget(process)
                process = _Process()
                with self._lock:
                    self._started.add(process)
            yield process
        finally:
            self._idle.put(process)

    def _forget(self, process: _Process | None) -> None:
        if process is not None:
            process.stop()
            with self._lock:
                self._started.discard(process)


class _Process:
    """One decoding process. Used by one thread at a time."""

    def __init__(self) -> None:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(Path(retention.__file__).parents[1]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "retention.dicom.pixels"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, asked: dict[str, Any], file: bytes, wall_s: float) -> tuple[dict[str, Any], list[Part]]:
        """Return the answer. Raises UndecodableError when it takes too long, or the process ends without one."""
        timer = threading.Timer(wall_s, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            send(self._pipe(self._process.stdin), asked, [Part(file)])
            message = receive(self._pipe(self._process.stdout))
        except (OSError, EOFError, ValueError):
            message = None
        finally:
            timer.cancel()
        if message is None:
            self.stop()
            raise UndecodableError("the decoder gave up on this instance", hint=AS_HELD)
        if message[0].get(LAST):
            self.stop()
        return message

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                self._pipe(pipe).close()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:
            raise UndecodableError("the decoding process has no pipe")
        return pipe
