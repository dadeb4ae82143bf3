"""What holds for every request and answer, whatever route it is for.

A request has to be meant for this door by name (a page in somebody's browser cannot make another name mean it), must
not come from a page of another site, and carries neither compressed content nor a token in its address, which others
write down. Every answer tells a browser to make nothing of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders

from retention.web.door import Door, name_of
from retention.web.limits import REQUEST_HEADER_BYTES, REQUEST_HEADERS
from retention.web.problems import problem

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STRICT_TRANSPORT = "max-age=31536000"
_HIDDEN = re.compile(rb"%(2f|5c|00)", re.IGNORECASE)
"""Written so, a slash is one to us and none to something before us that decides by path."""

SECRETS = frozenset({"access_token", "token", "id_token"})


class Hardening:
    """Refuses what no proper client asks, and marks every answer."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door
        self._headers = dict(HEADERS)
        if door.is_encrypted:
            self._headers["Strict-Transport-Security"] = STRICT_TRANSPORT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refusal(scope)
        await (refused or self._app)(scope, receive, marked)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        return _malformed(scope, headers) or self._unmeant(headers)

    def _unmeant(self, headers: Headers) -> JSONResponse | None:
        if len(headers.getlist("host")) != 1 or name_of(headers["host"]) not in self._door.hosts:
            return problem(
                421,
                "this door is asked by another name",
                hint="names are `listeners: web: hosts:` in archive.yaml",
            )
        if self._is_foreign(headers):
            return problem(403, "a page of another site may not ask this")
        return None

    def _is_foreign(self, headers: Headers) -> bool:
        """Whether a browser says that a page of another site asks (Origin, Fetch Metadata)."""
        origin = headers.get("origin")
        if origin is not None:
            return origin not in self._door.origins and _place_of(origin) != headers["host"].lower()
        site = headers.get("sec-fetch-site", "none")
        return site not in ("none", "same-origin") and headers.get("sec-fetch-mode") != "navigate"


def _place_of(origin: str) -> str | None:
    """Return the host and port of an Origin header, None of what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _malformed(scope: Scope, headers: Headers) -> JSONResponse | None:
    size = len(scope["query_string"]) + sum(len(name) + len(value) for name, value in headers.raw)
    if size > REQUEST_HEADER_BYTES or len(headers.raw) > REQUEST_HEADERS:
        return problem(431, "the header of the request is too long")
    if _HIDDEN.search(scope.get("raw_path", b"")):
        return problem(400, "a path does not hide its slashes")
    if "transfer-encoding" in headers and "content-length" in headers:
        refused = problem(400, "a request says once how long it is")
        refused.headers["Connection"] = "close"  # RFC 9112 §6.1: what follows may be another's
        return refused
    if headers.get("content-encoding", "identity").lower() != "identity":
        return problem(415, "content is taken as it is, not compressed")
    query = scope["query_string"].decode("latin-1")
    if SECRETS.intersection(name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)):
        return problem(400, "a token in an address is refused: addresses are written down")
    return None
