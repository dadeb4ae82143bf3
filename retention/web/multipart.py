"""multipart/related (RFC 2387, RFC 2046 §5.1): parts as they come, in bounded memory, and parts as they go out.

The parser is fed pieces of any size and calls back; it keeps no more than a delimiter's length of a part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from retention.model.errors import InputError
from retention.web.limits import HEADER_BYTES, PARTS, PREAMBLE_BYTES

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
_END_OF_HEADER = b"\r\n\r\n"


class Part(Protocol):
    """Who takes one part."""

    def write(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


class _State(Enum):
    PREAMBLE = auto()
    DELIMITED = auto()
    HEADER = auto()
    BODY = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type and its parameters, names in lower case."""

    name: str
    parameters: Mapping[str, str]


def media_type_of(text: str) -> MediaType:
    """Read a Content-Type, or one entry of an Accept."""
    name, _, _ = text.partition(";")
    found = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(text)}
    return MediaType(name.strip().lower(), found)


def boundary_of(media_type: MediaType) -> bytes:
    """Return the boundary. Raises InputError when there is none that RFC 2046 allows."""
    boundary = media_type.parameters.get("boundary", "")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise InputError("the content type names no boundary", hint="RFC 2046 §5.1.1: 1 to 70 characters")
    return boundary.encode("ascii")


@dataclass(slots=True)
class MultipartParser:
    """Cuts a body into parts. `begin` is called with each part's header, and returns who takes it."""

    boundary: bytes
    begin: Callable[[Mapping[str, str]], Part]
    parts: int = 0
    _pending: bytearray = field(default_factory=lambda: bytearray(b"\r\n"))
    _state: _State = _State.PREAMBLE
    _part: Part | None = None
    _skipped: int = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises InputError for what is no multipart body, and what `begin` and parts raise."""
        self._pending += data
        while self._step():
            pass

    def close(self) -> None:
        """The body has ended. Raises InputError when its last delimiter is missing."""
        if self._state is not _State.OVER:
            raise InputError("the body ends before its closing delimiter")

    def _step(self) -> bool:
        """Do what can be done with what is there; return whether there may be more."""
        match self._state:
            case _State.PREAMBLE | _State.BODY:
                return self._until_delimiter()
            case _State.DELIMITED:
                return self._after_delimiter()
            case _State.HEADER:
                return self._header()
            case _State.OVER:
                self._pending.clear()  # an epilogue says nothing (RFC 2046 §5.1.1)
                return False

    def _until_delimiter(self) -> bool:
        delimiter = b"\r\n--" + self.boundary
        position = self._pending.find(delimiter)
        end = position if position >= 0 else len(self._pending) - len(delimiter) + 1
        if end > 0:
            self._give(bytes(memoryview(self._pending)[:end]))
            del self._pending[:end]
        if position < 0:
            return False
        del self._pending[: len(delimiter)]
        part, self._part = self._part, None
        if part is not None:
            part.finish()
        self._state = _State.DELIMITED
        return True

    def _give(self, data: bytes) -> None:
        if self._part is not None:
            self._part.write(data)
            return
        self._skipped += len(data)
        if self._skipped > PREAMBLE_BYTES:
            raise InputError("no part begins where the first should")

    def _after_delimiter(self) -> bool:
        if len(self._pending) < 2:
            return False
        if self._pending.startswith(b"--"):
            self._state = _State.OVER
            return True
        line, found, _ = bytes(self._pending[:HEADER_BYTES]).partition(b"\r\n")
        if not found:
            self._require_short()
            return False
        if line.strip(b" \t"):
            raise InputError("a delimiter is followed by something else")
        del self._pending[: len(line)]  # the line's end stays: a header may be empty
        self._state = _State.HEADER
        return True

    def _header(self) -> bool:
        position = self._pending.find(_END_OF_HEADER)
        if position < 0:
            self._require_short()
            return False
        if position > HEADER_BYTES:
            raise InputError("the header of a part is too long")
        self.parts += 1
        if self.parts > PARTS:
            raise InputError(f"more than {PARTS} parts", hint="send them in several requests")
        header = bytes(self._pending[:position])
        del self._pending[: position + len(_END_OF_HEADER)]
        self._part = self.begin(_fields(header))
        self._state = _State.BODY
        return True

    def _require_short(self) -> None:
        if len(self._pending) > HEADER_BYTES:
            raise InputError("the header of a part is too long")


def _fields(header: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in header.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip().lower()] = value.strip()
        elif line.strip():
            raise InputError("a line in the header of a part is none")
    return fields


def written(boundary: str, parts: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield a body: each part's content type and bytes."""
    for content_type, data in parts:
        yield f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        yield data
    yield f"\r\n--{boundary}--\r\n".encode()
