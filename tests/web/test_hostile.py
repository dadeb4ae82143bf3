"""Hostile peers over HTTP, each tried on a real socket: a defined answer or a closed connection, and the door lives.

The list is that of the security reference: lengths that lie, bodies without end, headers without end, peers that stand
still, paths that climb. None costs memory, none is told anything, none keeps others out.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import time

import pytest

from retention.model.layout import WebSpec
from retention.web import limits
from tests.services.instances import STUDY, instance
from tests.services.world import until
from tests.web.serving import served

POST = b"POST /necker/studies HTTP/1.1\r\nHost: 127.0.0.1\r\n"
MULTIPART = b'Content-Type: multipart/related; type="application/dicom"; boundary=b1\r\n'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
PART = b"--b1\r\nContent-Type: application/dicom\r\n\r\n"
LOOK_S = 0.25


@pytest.fixture(scope="module")
def door(hospitals_template, templates, decoding):
    """A door in this process, on a real socket, that looks at its connections often."""
    (templates / "hostile").mkdir()
    world = hospitals_template.copy(templates / "hostile")
    patch = pytest.MonkeyPatch()
    patch.setattr(limits, "LOOK_S", LOOK_S)
    patch.setattr(limits, "CONNECTIONS_OF_ONE", 20)
    with world.opened() as stores, served(stores, decoding, WebSpec()) as address:
        yield address
    patch.undo()


def connected(door):
    return socket.create_connection(door, timeout=10)


def answer(connection):
    """Return all that is said until the connection is closed, or nothing more comes."""
    said = bytearray()
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            said += piece
    return bytes(said)


def status(said):
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0


def ask(door, request):
    with connected(door) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request)
        return answer(connection)


def get(path, *headers, host=b"127.0.0.1"):
    lines = [b"GET " + path + b" HTTP/1.1", b"Host: " + host, *headers, b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def lives(door):
    return status(ask(door, get(b"/livez"))) == 200


PATHS = {
    b"/necker/studies/..%2f..%2fpasteur/studies": {400},
    b"/necker/../pasteur/studies": {404},
    b"/%2e%2e/%2e%2e/etc/passwd": {404},
    b"/necker/studies/%00": {400},
    b"/necker/studies/1.2%0d%0aX-Injected:%20yes": {400, 404},
    b"/necker/studies/" + b"9" * 4000: {404},
    b"/necker/studies/%ff%fe": {404},
    b"/necker%2fstudies": {400},
    b"/necker/studies/1.2/series/%2e%2e/instances/x": {404},
    b"/necker/studies?limit=-1": {400},
    b"/necker/studies?limit=1000000000": {400},
    b"/necker/studies?limit=999999999": {200},
    b"/necker/studies?offset=999999999": {200},
    b"/necker/studies?PatientName=" + b"*" * 200: {200},
    b"/necker/studies?PatientName=%2a%3f%2a%3f%2a%3f%2a%3f%2a%3f%2a%3f%2a%3f": {200},
    b"/necker/studies?StudyInstanceUID=" + b",".join([b"1.2"] * 1000): {200, 400},
    b"/necker/studies?" + b"&".join([b"PatientID=x"] * 1000): {200},
    b"/necker/studies?access_token=abc": {400},
    b"/necker/studies?includefield=all": {200},
    b"//evil.example/necker/studies": {404},
    b"http://evil.example/necker/studies": {400, 404},
    b"*": {400, 404},
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:50].decode())
def test_a_path_or_query_that_climbs_or_asks_too_much_is_answered_plainly(door, path):
    said = ask(door, get(path))
    assert status(said) in PATHS[path], said[:300]
    assert b"X-Injected: yes" not in said
    assert b"Traceback" not in said
    assert len(said) < 100_000


HEADERS = {
    "none": (get(b"/livez", host=b""), 421),
    "another host": (get(b"/necker/studies", host=b"evil.example"), 421),
    "two hosts": (get(b"/necker/studies", b"Host: evil.example"), 400),
    "no host": (b"GET /livez HTTP/1.1\r\n\r\n", 400),
    "a header without end": (get(b"/livez", b"X: " + b"x" * 100_000), 431),
    "headers without number": (get(b"/livez", *[b"X-%d: y" % n for n in range(10_000)]), 431),
    "a long address": (get(b"/necker/studies?PatientID=" + b"x" * 100_000), 431),
    "a line break in a header": (get(b"/livez", b"X: a\rInjected: b"), 400),
    "a zero in a header": (get(b"/livez", b"X: a\0b"), 400),
    "folded": (get(b"/livez", b"X: a\r\n b"), 200),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    "HTTP/0.9": (b"GET /livez\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 421),
    "upgrade": (get(b"/livez", b"Upgrade: websocket"), 200),
    "ranges": (get(f"/necker/studies/{STUDY}".encode(), b"Range: bytes=" + b"0-0," * 5000), 200),
    "accept": (get(b"/necker/studies", b"Accept: " + b"a/b;q=0.1," * 2000), 200),
    "languages": (get(b"/livez", b"Accept-Language: " + b"x," * 9000), 200),
    "two credentials": (get(b"/necker/studies", b"Authorization: Basic a", b"Authorization: Bearer b"), 401),
    "endless credentials": (get(b"/necker/studies", b"Authorization: Bearer " + b"e" * 30_000), 401),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie_or_never_end_are_refused(door, name):
    request, wanted = HEADERS[name]
    said = ask(door, request)
    assert status(said) == wanted or (wanted in (400, 431) and status(said) in (0, 400)), said[:300]
    assert lives(door)


BODIES = {
    "a negative length": (POST + MULTIPART + b"Content-Length: -5\r\n\r\nhello", {400}),
    "two lengths": (POST + MULTIPART + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", {400}),
    "a length that is none": (POST + MULTIPART + b"Content-Length: 0x10\r\n\r\nhello", {400}),
    "length and chunks": (POST + MULTIPART + b"Content-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n", {400}),
    "chunks that lie": (POST + MULTIPART + CHUNKED + b"FFFFFFFFFFFFFFFFF\r\n", {0, 400}),
    "a chunk size that is none": (POST + MULTIPART + CHUNKED + b"xyz\r\n", {0, 400}),
    "other coding": (POST + MULTIPART + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "gzip": (
        POST + MULTIPART + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
        {415},
    ),
    "no length at all": (POST + MULTIPART + b"Connection: close\r\n\r\n", {400}),
    "a ZIP": (POST + b"Content-Type: application/zip\r\nContent-Length: 2\r\n\r\nPK", {415}),
    "a form": (POST + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 0\r\n\r\n", {415}),
    "JSON with addresses": (
        POST + b"Content-Type: application/dicom+json\r\nContent-Length: 2\r\n\r\n[]",
        {415},
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_lie_are_refused(door, name):
    request, wanted = BODIES[name]
    assert status(ask(door, request)) in wanted
    assert lives(door)


def test_after_a_request_of_two_lengths_nothing_is_taken_for_a_request(door):
    """RFC 9112 §6.1: what stands behind it may have been put there by somebody else."""
    asked = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n"
    said = ask(door, asked + get(b"/openapi.json"))
    assert (status(said), said.count(b"HTTP/1.1 ")) == (400, 1)
    assert lives(door)


def flood(door, head, pieces):
    """Send a chunked body; return what is said, and how much was taken."""
    taken = 0
    with connected(door) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(POST + MULTIPART + CHUNKED + head)
            for piece in pieces:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                taken += len(piece)
            connection.sendall(b"0\r\n\r\n")
        return answer(connection), taken


FLOODS = {
    "nothing but a preamble": b"x" * 65_536,
    "empty parts": PART * 1200,
    "a part's header without end": b"--b1\r\n" + b"A: b\r\n" * 10_000,
    "delimiters": b"--b1\r\n" * 10_000,
    "parts within parts": b"--b1\r\nContent-Type: multipart/mixed; boundary=b2\r\n\r\n--b2\r\n\r\n" * 800,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_body_without_end_costs_no_memory_and_ends(door, name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said, taken = flood(door, b"", (FLOODS[name] for _ in range(300)))
    assert taken < 300 * len(FLOODS[name]) or status(said) in (400, 409), said[:200]
    assert status(said) in (0, 400, 409)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    assert lives(door)


@pytest.mark.parametrize(
    "began",
    [
        b"",
        b"G",
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        POST + MULTIPART + b"Content-Length: 4294967296\r\n\r\n" + PART,
        POST + MULTIPART + CHUNKED,
    ],
    ids=["silent", "one letter", "header", "4 GiB", "chunks"],
)
def test_who_drips_is_hung_up_on(door, began):
    """A byte now and then keeps no place: within a few looks the connection is closed."""
    with connected(door) as connection:
        connection.sendall(began)

        def is_closed():
            try:
                connection.sendall(b"x" if began else b"")
                connection.settimeout(LOOK_S / 5)
                return connection.recv(100) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        assert until(is_closed, pause_s=LOOK_S / 5, limit_s=20)
    assert lives(door)


def test_who_does_not_read_is_hung_up_on(door):
    """An answer that nobody takes is given up; it does not wait in memory."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(door)
        request = get(b"/openapi.json").replace(b"Connection: close\r\n", b"")
        with contextlib.suppress(OSError):
            connection.settimeout(1)
            for _ in range(40):
                connection.sendall(request)  # pipelined, and not one answer read
        time.sleep(4 * LOOK_S)

        def is_closed():
            try:
                return connection.send(request) == 0
            except TimeoutError:
                return False
            except OSError:
                return True

        assert until(is_closed, limit_s=20)
    assert lives(door)


def test_one_address_does_not_hold_all_places(door):
    held = [connected(door) for _ in range(60)]
    try:
        closed = [connection for connection in held if _is_hung_up(connection)]
        assert len(closed) >= 35
    finally:
        for connection in held:
            connection.close()
    assert until(lambda: lives(door))


def _is_hung_up(connection):
    connection.settimeout(0.2)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_an_honest_slow_sender_is_not_hung_up_on(door):
    """Slow, and yet faster than the slowest that is borne: it takes many looks and is kept."""
    file = instance(40, study="1.2.840.99.40", rows=128)
    body = PART + file + b"\r\n--b1--\r\n"
    step = limits.SLOWEST_BYTES * 2
    with connected(door) as connection:
        connection.sendall(POST + MULTIPART + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), step):
            connection.sendall(body[start : start + step])
            time.sleep(LOOK_S / 2)
        said = answer(connection)
    assert status(said) == 200
