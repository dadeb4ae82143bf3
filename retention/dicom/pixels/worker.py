"""The decoding process's loop: a request, an answer, until nobody asks any more."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import IO, Any

from retention.dicom.pixels import frames, picture
from retention.dicom.pixels.limits import MEMORY_BYTES, RESIDENT_BYTES, WALL_S
from retention.dicom.pixels.picture import Look, Viewport, Window
from retention.dicom.pixels.reading import AS_HELD
from retention.dicom.pixels.wire import LAST, Part, receive, send
from retention.model.errors import NotFoundError, RetentionError

_Operation = Callable[[bytes, dict[str, Any]], list[Part]]


def _picture(file: bytes, asked: dict[str, Any]) -> list[Part]:
    window, viewport = asked["window"], asked["viewport"]
    look = Look(
        asked["media_type"],
        asked["quality"],
        Window(*window) if window else None,
        Viewport(viewport[0], viewport[1], tuple(viewport[2]) if viewport[2] else None) if viewport else None,
    )
    return picture.picture_of(file, asked["frame"], look)


OPERATIONS: dict[str, _Operation] = {
    "frames": lambda file, asked: frames.frames_of(file, asked["numbers"], as_held=asked["as_held"]),
    "bulk": lambda file, asked: frames.bulk_of(file, asked["path"]),
    "native": lambda file, _: frames.native_of(file),
    "picture": _picture,
}


def limit_itself() -> None:
    """Take away what decoding does not need: memory beyond a limit, files to write, cores to dump."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def load() -> None:
    """Load decoders before anybody waits for them."""
    import numpy  # noqa: F401, ICN001
    import PIL.Image
    import pydicom.pixels.decoders  # noqa: F401

    PIL.Image.init()


def serve(asked: IO[bytes], answered: IO[bytes]) -> None:
    """Answer until the other side closes, or until this process has grown too large: it says so in its last answer."""
    while (message := receive(asked)) is not None:
        document, parts = message
        resource.setrlimit(resource.RLIMIT_CPU, _processor_limit())
        answer, made = _answer(document, parts[0].data)
        is_last = _resident_bytes() > RESIDENT_BYTES
        send(answered, {**answer, LAST: is_last}, made)
        if is_last:
            return


def _answer(document: dict[str, Any], file: bytes) -> tuple[dict[str, Any], list[Part]]:
    try:
        return {}, OPERATIONS[document["operation"]](file, document)
    except NotFoundError as error:
        return {"absent": error.message}, []
    except RetentionError as error:
        return {"refused": error.message, "hint": error.hint}, []
    except MemoryError:
        return {"refused": "the instance needs too much memory to be decoded", "hint": AS_HELD}, []
    except Exception:  # noqa: BLE001  # a malformed value becomes whatever pydicom makes of it
        return {"refused": "the instance cannot be decoded", "hint": AS_HELD}, []


def _processor_limit() -> tuple[int, int]:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    return int(spent.ru_utime + spent.ru_stime + WALL_S) + 1, hard


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # read for every answer
        return int(statm.read().split()[1]) * resource.getpagesize()


def main() -> None:
    limit_itself()
    load()
    answered = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a decoder prints must not end in an answer
    serve(sys.stdin.buffer, answered)
