"""`serve` opens the web door safely or not at all; stopped, it finishes what is under way."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import time

import httpx
import pytest

from tests.cli.calling import retention
from tests.e2e.serving import Served, free_port, serving
from tests.services.instances import STUDY, instance

PART = b"--b1\r\nContent-Type: application/dicom\r\n\r\n"
KIND = 'multipart/related; type="application/dicom"; boundary=b1'


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", "web.key", "-out", "web.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


def listening(keys, port):
    tls = f"{{certificate: {keys}/web.pem, key: {keys}/web.key}}"
    return f"\nlisteners: {{dimse: {{port: PORT}}, web: {{host: 0.0.0.0, port: {port}, tls: {tls}}}}}\n"


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ("{host: 0.0.0.0}", "without TLS"),
        ("{host: '::'}", "without TLS"),
        ("{host: 0.0.0.0, tls: {certificate: KEYS/web.pem, key: KEYS/web.key}}", "nobody could prove"),
        ("{hosts: [archive.example]}", "nobody could prove"),
        ("{host: 0.0.0.0, tls: {certificate: KEYS/none.pem, key: KEYS/web.key}}", "none.pem"),
    ],
)
def test_it_does_not_start_where_it_would_not_be_safe_and_says_why(tmp_path, keys, web, said):
    settings = f"\nlisteners: {{dimse: {{port: PORT}}, web: {web.replace('KEYS', str(keys))}}}\n"
    served = Served.make(tmp_path, settings)
    done = retention("--archive", served.root, "--json", "serve", "--only", "web")
    assert done.code in (2, 5)
    assert said in done.document["error"]["message"]
    assert done.document["error"]["hint"]


def test_beyond_this_machine_it_is_encrypted_and_asks_who_comes_and_a_stop_finishes_what_is_under_way(
    tmp_path, keys
):
    port = free_port()
    served = Served.make(tmp_path, listening(keys, port))
    served.web_port = port
    made = retention("--archive", served.root, "--json", "token", "create", "x", "--institution", "necker",
                     "--role", "reader", "--role", "ingest")  # fmt: skip
    proof = {"Authorization": f"Bearer {made.data['token']}"}
    context = ssl.create_default_context(cafile=keys / "web.pem")
    body = PART + instance(1) + b"\r\n--b1--\r\n"
    with serving(served), httpx.Client(verify=context, base_url=f"https://localhost:{port}") as client:
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.get("/necker/studies").status_code == 401
        assert client.get("/necker/studies", headers=proof).json() == []
        client.close()
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
        ) as connection:
            connection.sendall(
                b"POST /necker/studies HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                + f"Authorization: {proof['Authorization']}\r\nContent-Type: {KIND}\r\n".encode()
                + b"Content-Length: %d\r\n\r\n" % len(body)
            )
            assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
            connection.sendall(body[:700])
            assert served.process is not None
            served.process.send_signal(signal.SIGTERM)
            time.sleep(1.0)
            connection.sendall(body[700:])  # who is under way may end
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert served.document()["data"]["instances"] == 1
    assert retention("--archive", served.root, "--json", "study", "show", STUDY).code == 0
    assert served.entries("access.login") == 1
