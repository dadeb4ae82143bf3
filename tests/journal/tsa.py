"""A timestamp authority: `openssl ts` behind http, as a real one answers."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

_CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Root
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[tsa]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa_default]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
accuracy = secs:1
"""


@dataclass(frozen=True)
class Authority:
    """Where it listens, and the certificate that whoever trusts it has."""

    url: str
    root: bytes


def make_authority(folder: Path) -> bytes:
    """Make keys and certificates; return the root's certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "c").write_text(_CONFIG)
    (folder / "serial").write_text("01\n")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "c")
    openssl("req", "-x509", "-days", "30", *new, "-keyout", "rk", "-out", "root.pem", "-extensions", "root")
    openssl("req", "-new", *new, "-subj", "/CN=TSA", "-keyout", "tk", "-out", "tsa.csr")
    signed = ("-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "rk", "-CAcreateserial", "-days", "30")
    openssl("x509", *signed, "-extfile", "c", "-extensions", "tsa", "-out", "tsa.pem")
    return (folder / "root.pem").read_bytes()


def answer(folder: Path, query: bytes) -> bytes:
    """Return the authority's answer."""
    (folder / "q").write_bytes(query)
    command = [
        "openssl",
        "ts",
        "-reply",
        "-queryfile",
        "q",
        "-signer",
        "tsa.pem",
        "-inkey",
        "tk",
        "-out",
        "r",
    ]
    command += ["-config", "c", "-section", "tsa_default"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "r").read_bytes()


@contextmanager
def authority(folder: Path) -> Iterator[Authority]:
    root = make_authority(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            reply = answer(folder, query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Authority(f"http://127.0.0.1:{server.server_port}", root)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
