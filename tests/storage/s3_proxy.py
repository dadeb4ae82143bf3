"""A proxy before a real S3 service that breaks on order, and one that makes the service slow as Glacier is.

What is forwarded is forwarded byte for byte, signatures included, so the service behind checks all that it always does.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})


@dataclass
class Request:
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def query(self) -> str:
        return urlsplit(self.path).query

    @property
    def key(self) -> str:
        """The object's path within its bucket."""
        return urlsplit(self.path).path.lstrip("/").partition("/")[2]


@dataclass
class Reply:
    """What goes back. `sent`: only so many bytes of the body are, then the connection breaks; None: all."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    sent: int | None = None


class BrokenOffError(Exception):
    """The connection breaks without an answer."""


Forward = Callable[[Request], Reply]
Hook = Callable[[Request, Forward], Reply]


def refusal(status: int, code: str) -> Reply:
    """Return an error as S3 writes it."""
    body = f"<Error><Code>{code}</Code><Message>on order</Message></Error>".encode()
    return Reply(status, [("Content-Type", "application/xml")], body)


class Proxy:
    """Forwards to `upstream` (http); what `hook` does with a request and the way on is what the client sees."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self.hook: Hook = lambda request, forward: forward(request)
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one  # noqa: N815 - as http.server names them

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def forward(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                connection.putheader(name, value)
            connection.endheaders(request.body or None)
            answer = connection.getresponse()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            if request.method == "HEAD":
                headers.append(("Content-Length", answer.getheader("Content-Length", "0")))
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Expect", "").lower() == "100-continue":
            handler.send_response_only(100)
            handler.end_headers()
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = [(name, value) for name, value in handler.headers.items() if name.lower() != "expect"]
        request = Request(handler.command, handler.path, headers, body)
        with self._lock:
            self.requests.append(request)
        try:
            reply = self.hook(request, self.forward)
        except BrokenOffError:
            handler.close_connection = True
            return
        handler.send_response_only(reply.status)
        for name, value in reply.headers:
            handler.send_header(name, value)
        if request.method != "HEAD":
            handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        if request.method != "HEAD":
            handler.wfile.write(reply.body[: reply.sent])
        if reply.sent is not None:
            handler.close_connection = True


class Faults:
    """A hook that meets the `nth` request that `matches`, `times` times (None: for ever), with `fault`."""

    def __init__(
        self,
        fault: Hook,
        matches: Callable[[Request], bool] = lambda _: True,
        *,
        nth: int = 1,
        times: int | None = 1,
    ) -> None:
        self._fault = fault
        self._matches = matches
        self._skip = nth - 1
        self._left = times
        self._lock = threading.Lock()
        self.met = 0

    def __call__(self, request: Request, forward: Forward) -> Reply:
        with self._lock:
            strikes = self._matches(request) and self._strikes()
            self.met += strikes
        return self._fault(request, forward) if strikes else forward(request)

    def _strikes(self) -> bool:
        if self._skip:
            self._skip -= 1
            return False
        if self._left == 0:
            return False
        if self._left is not None:
            self._left -= 1
        return True


def status(code: int, name: str = "InternalError") -> Hook:
    """The service answers with an error, having done nothing."""
    return lambda request, forward: refusal(code, name)


def reset(request: Request, forward: Forward) -> Reply:
    """The connection breaks before the service hears of it."""
    raise BrokenOffError


def lost_answer(request: Request, forward: Forward) -> Reply:
    """The service does it, and its answer does not arrive."""
    forward(request)
    raise BrokenOffError


def lying_error(request: Request, forward: Forward) -> Reply:
    """The service does it, and a gateway before it says that it failed."""
    forward(request)
    return refusal(503, "SlowDown")


def cut_answer(request: Request, forward: Forward) -> Reply:
    """Half of the body arrives."""
    reply = forward(request)
    reply.sent = len(reply.body) // 2
    return reply


def spoilt_answer(request: Request, forward: Forward) -> Reply:
    """A byte of the body arrives as another one."""
    reply = forward(request)
    if reply.body:
        reply.body = bytes([reply.body[0] ^ 1]) + reply.body[1:]
    return reply


def spoilt_request(request: Request, forward: Forward) -> Reply:
    """A byte of what is sent arrives as another one."""
    request.body = bytes([request.body[0] ^ 1]) + request.body[1:] if request.body else b""
    return forward(request)
