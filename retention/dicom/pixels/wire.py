"""How the program and a decoding process speak: a length, a JSON document, then the bytes that it announces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from retention.dicom.pixels.limits import DOCUMENT_BYTES, MESSAGE_BYTES

LAST = "is_last"
"""In an answer: the process ends now, and is asked nothing more."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes, and the transfer syntax that they are in; None where that says nothing."""

    data: bytes
    transfer_syntax_uid: str | None = None


def send(stream: IO[bytes], document: dict[str, Any], parts: Sequence[Part] = ()) -> None:
    """Write one message. Raises OSError when the other side is gone."""
    announced = [[len(part.data), part.transfer_syntax_uid] for part in parts]
    text = json.dumps({**document, "parts": announced}).encode()
    stream.write(len(text).to_bytes(4, "big") + text)
    for part in parts:
        stream.write(part.data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[Part]] | None:
    """Read one message, None at the end. Raises EOFError when it breaks off, ValueError when it is none."""
    head = stream.read(4)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    if len(head) < 4 or length > DOCUMENT_BYTES:
        raise ValueError("no message begins here")
    document: dict[str, Any] = json.loads(_exactly(stream, length))
    announced: list[tuple[int, str | None]] = document.pop("parts")
    if sum(size for size, _ in announced) > MESSAGE_BYTES:
        raise ValueError("a message announces more than one may hold")
    return document, [Part(_exactly(stream, size), syntax) for size, syntax in announced]


def _exactly(stream: IO[bytes], size_bytes: int) -> bytes:
    data = stream.read(size_bytes)
    if len(data) < size_bytes:
        raise EOFError("a message breaks off")
    return data
