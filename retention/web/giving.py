"""Giving out one thing whose bytes never change: entity tags, conditions and ranges (RFC 9110 §§8.8.3, 13, 14).

And several, one after another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from retention.model.identifiers import new_id
from retention.web.multipart import written
from retention.web.problems import problem

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
CACHE = "private, no-cache"
"""A client may keep it, and asks whether it may still see it: what a person may see changes."""


class Streamed(StreamingResponse):
    """Parts in multipart/related, made while they are sent.

    The invariant: when the answer is over, also because the client is gone, `source` is closed. Its end writes down
    what was given out, and nobody keeps that from being written by hanging up.
    """

    def __init__(
        self,
        parts: Iterable[tuple[str, bytes]],
        media_type: str,
        source: Generator[tuple[str, bytes]] | None = None,
    ) -> None:
        boundary = new_id()
        kind = f'multipart/related; type="{media_type}"; boundary={boundary}'
        super().__init__(written(boundary, iter(parts)), headers={"Content-Type": kind})
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._source is not None:
                with CancelScope(shield=True):
                    await run_sync(self._source.close)


def entity_tag(*parts: object) -> str:
    """Return a strong entity tag of what is made from these parts alone."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the client has it already (If-None-Match)."""
    known = request.headers.get("if-none-match")
    return known is not None and (known.strip() == "*" or tag in _tags(known))


def unchanged(tag: str) -> Response:
    """Say that what the client has is what would be given."""
    return Response(status_code=304, headers={"ETag": tag, "Cache-Control": CACHE})


def given(request: Request, data: bytes, media_type: str, tag: str) -> Response:
    """Return it, or the one range of it that is asked for; several ranges are answered with the whole."""
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": CACHE}
    wanted = request.headers.get("if-match")
    if wanted is not None and wanted.strip() != "*" and tag not in _tags(wanted):
        return problem(412, "it is not what the condition asks for")
    asked = request.headers.get("range", "")
    if request.headers.get("if-range", tag) != tag:
        asked = ""
    found = _RANGE.fullmatch(asked.replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return Response(data, media_type=media_type, headers=headers)
    span = _span(found[1], found[2], len(data))
    if span is None:
        refused = problem(416, "the range is not within it")
        refused.headers["Content-Range"] = f"bytes */{len(data)}"
        return refused
    first, last = span
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, headers, media_type)


def _span(first: str, last: str, size_bytes: int) -> tuple[int, int] | None:
    """Return the first and last byte of a range, None when none of it is there."""
    if not first:
        length = min(int(last), size_bytes)
        return (size_bytes - length, size_bytes - 1) if length else None
    begin, end = int(first), min(int(last), size_bytes - 1) if last else size_bytes - 1
    return (begin, end) if begin <= end else None


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}
