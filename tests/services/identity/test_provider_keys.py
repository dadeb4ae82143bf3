"""Keys of providers as they are asked for: when, how often, and what is not believed."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from retention.model.clock import SystemClock
from retention.model.errors import ArchiveError
from retention.model.layout import ProviderSpec
from retention.services.identity.fetching import DOCUMENT_BYTES, fetcher
from retention.services.identity.provider_keys import ASK_AGAIN_S, DISCOVERY, FRESH_S, STALE_S, FetchedKeys
from tests.services.identity.test_bearer import ED, ISSUER, OTHER_RSA, RSA, jwk
from tests.services.identity.test_witness import Ticking

KEYS = "https://sso.example/keys"


class Provider:
    """A provider that answers from a dictionary, and counts."""

    def __init__(self):
        self.documents = {ISSUER + DISCOVERY: {"issuer": ISSUER, "jwks_uri": KEYS}, KEYS: {"keys": []}}
        self.asked = 0

    def sign_with(self, **keys):
        self.documents[KEYS] = {"keys": [jwk(key.public_key(), kid=kid) for kid, key in keys.items()]}

    def __call__(self, url):
        self.asked += 1
        if url not in self.documents:
            raise ArchiveError("down")
        return self.documents[url]


@pytest.fixture
def provider():
    made = Provider()
    made.sign_with(a=RSA)
    return made


@pytest.fixture
def clock():
    return Ticking(SystemClock())


@pytest.fixture
def keys(provider, clock):
    return FetchedKeys(ProviderSpec("sso", ISSUER, "retention", ()), provider, clock)


def test_they_are_asked_for_when_needed_and_remembered(provider, clock, keys):
    assert provider.asked == 0
    assert keys.key("a", "RS256") is not None
    assert keys.key("a", "EdDSA") is None
    for clock.at_s in range(0, int(FRESH_S), 50):
        assert keys.key("a", "RS256") is not None
    assert provider.asked == 2


def test_a_new_key_is_found_and_invented_ids_ask_once_a_minute(provider, clock, keys):
    keys.key("a", "RS256")
    provider.sign_with(b=OTHER_RSA, c=ED)
    clock.at_s = ASK_AGAIN_S + 1
    assert keys.key("b", "RS256") is not None
    assert keys.key("c", "EdDSA") is not None
    assert keys.key("a", "RS256") is None  # what was withdrawn counts no more
    asked = provider.asked
    for clock.at_s in range(int(ASK_AGAIN_S) + 2, int(ASK_AGAIN_S) + 602):
        for number in range(5):
            assert keys.key(f"invented-{clock.at_s}-{number}", "RS256") is None
    assert (provider.asked - asked) / 2 <= 600 / ASK_AGAIN_S


def test_while_nobody_answers_the_known_keys_count_for_a_day(provider, clock, keys):
    keys.key("a", "RS256")
    provider.documents.clear()
    clock.at_s = STALE_S - 1
    assert keys.key("a", "RS256") is not None
    clock.at_s = STALE_S + 1
    with pytest.raises(ArchiveError, match="cannot be had"):
        keys.key("a", "RS256")


@pytest.mark.parametrize(
    "discovered",
    [
        {"issuer": "https://evil.example", "jwks_uri": KEYS},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": 7},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {},
    ],
)
def test_a_discovery_document_of_somebody_else_is_not_believed(provider, keys, discovered):
    provider.documents[ISSUER + DISCOVERY] = discovered
    with pytest.raises(ArchiveError, match="cannot be had"):
        keys.key("a", "RS256")


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/small")
            self.end_headers()
            return
        body = {
            "/small": b'{"a": 1}',
            "/large": b'{"a": "' + b"x" * DOCUMENT_BYTES + b'"}',
            "/list": b"[]",
            "/deep": b"[" * 100_000,
            "/text": b"hello",
        }.get(self.path)
        self.send_response(200 if body else 404)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("provider")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    server = HTTPServer(("127.0.0.1", 0), Answering)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}", folder / "cert.pem"
    server.shutdown()
    server.server_close()


def test_a_document_is_fetched_over_https_from_who_proves_to_be_meant(served):
    base, authority = served
    assert fetcher(SystemClock(), authority)(f"{base}/small") == {"a": 1}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/large", "too much"),
        ("/moved", "answers 302"),
        ("/none", "answers 404"),
        ("/list", "no.? JSON object|JSON object"),
        ("/deep", "JSON"),
        ("/text", "JSON"),
    ],
)
def test_what_is_too_much_or_leads_elsewhere_is_not_taken(served, path, said):
    base, authority = served
    with pytest.raises(ArchiveError, match=said):
        fetcher(SystemClock(), authority)(base + path)


def test_nobody_else_is_asked(served):
    base, authority = served
    with pytest.raises(ArchiveError, match="does not answer"):
        fetcher(SystemClock(), None)(f"{base}/small")  # an authority that nobody knows
    with pytest.raises(ArchiveError, match="does not answer"):
        fetcher(SystemClock(), authority)(base.replace("localhost", "127.0.0.1") + "/small")
    for url in ("http://localhost/x", "file:///etc/passwd", "ftp://localhost/x", "data:application/json,{}"):
        with pytest.raises(ArchiveError, match="not https"):
            fetcher(SystemClock(), authority)(url)
    with pytest.raises(ArchiveError, match="cannot be used"):
        fetcher(SystemClock(), authority.parent / "key.pem")
    assert json.loads('{"a": 1}') == fetcher(SystemClock(), authority)(f"{base}/small")  # it still answers
