"""Files that break parsers, sent by C-STORE and by STOW-RS one by one: each gets a status, and nothing else happens.

They are made here, from pydicom's own files. RETENTION_MALFORMED=DIR sends every file below a folder besides.
"""

from __future__ import annotations

import os
import random
import struct
import zlib
from pathlib import Path

import httpx
import pytest

from retention.dicom.samples import sample_folder
from tests.e2e.raw import STORE, associated, command, fragment
from tests.e2e.serving import Served, serving
from tests.services.instances import STUDY, instance

KIND = 'multipart/related; type="application/dicom"; boundary=b'
STATUSES = {0x0000, 0x0110, 0x0117, 0xA900, 0xC000}
CODES = {200, 202, 400, 409}
MEMORY_KIB = 32 << 10
MUTATIONS = 30


def made():
    """Yield files that are wrong in a way of their own."""
    whole = instance(1)
    study = whole.index(STUDY.encode())
    for uid in (b"../../../../etc", b"/etc/passwd\0", b"1..2", b"1.02.3", b"%2e%2e%2f", b"", b"1" * 65):
        element = (
            struct.pack("<HH2sH", 0x20, 0xD, b"UI", len(uid) + len(uid) % 2) + uid + b"\0" * (len(uid) % 2)
        )
        yield whole[: study - 8] + element + whole[study + len(STUDY) + len(STUDY) % 2 :]
    for preamble in (b"MZ", b"\x7fELF", b"#!/bin/sh\n", b"%PDF-1.4", b"PK\3\4", b"<html><script>"):
        yield preamble.ljust(128, b"\0") + whole[128:]
    yield from (whole[:length] for length in (0, 1, 131, 132, 140, 200, 400, len(whole) - 1))
    deep = struct.pack("<HH2sHL", 0x8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    body = whole[:study] + deep * 10_000
    yield body
    long = struct.pack("<HH2sHL", 0x9, 0x10, b"OB", 0, 0xFFFFFFFE)
    yield whole[:study] + long + whole[study:]
    bomb = zlib.compressobj(9, wbits=-15)
    deflated = bomb.compress(bytes(256 << 20)) + bomb.flush()
    meta = whole[: 144 + int.from_bytes(whole[140:144], "little")]
    yield meta.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99\0\0") + deflated
    chance = random.Random(1)
    for _ in range(MUTATIONS):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 30)):
            data[chance.randrange(128, 600)] = chance.randrange(256)
        yield bytes(data)
    samples = sample_folder()
    assert samples is not None
    for name in (
        "badVR",
        "rtplan_truncated",
        "MR_truncated",
        "no_meta",
        "nested_priv_SQ",
        "meta_missing_tsyntax",
    ):
        yield (samples / "test_files" / f"{name}.dcm").read_bytes()


def given():
    folder = os.environ.get("RETENTION_MALFORMED")
    return [] if folder is None else sorted(path for path in Path(folder).rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(Served.make_web(tmp_path_factory.mktemp("malformed"))) as served:
        yield served


def test_each_gets_its_status_and_nothing_else_happens(served):
    files = [*made(), *(path.read_bytes() for path in given())]
    around, alive = beside(served), served.receivers()
    statuses = send(served, files)
    before = state(served)
    assert send(served, files[::2]) == statuses[::2]
    assert set(statuses) <= {(store, code) for store in STATUSES for code in CODES}
    assert len(statuses) == len(files)
    after = state(served)
    assert list(after) == alive  # nobody died
    assert max(after[process] - before[process] for process in after) < MEMORY_KIB
    assert beside(served) == around
    assert served.dcmtk("echoscu").returncode == 0
    assert httpx.get(f"http://127.0.0.1:{served.web_port}/livez").status_code == 200


def send(served, files):
    """Send each by both doors; return their statuses."""
    return [(by_store(served, file), by_web(served, file)) for file in files]


def by_store(served, file):
    start = 144 + int.from_bytes(file[140:144], "little") if file[128:132] == b"DICM" else 0
    with associated(served) as connection:
        connection.settimeout(60)
        body = file[start:] if start < len(file) else file
        connection.sendall(fragment(command(uid=f"{STUDY}.1.1"), 3))
        pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
        for number, piece in enumerate(pieces, 1):
            connection.sendall(fragment(piece, 2 if number == len(pieces) else 0))
        answer = whole_answer(connection)
    at = answer.index(STORE.pack(0, 0x0900, 2)) + STORE.size
    return int.from_bytes(answer[at : at + 2], "little")


def whole_answer(connection):
    header = connection.recv(6)
    length, answer = struct.unpack(">L", header[2:])[0], b""
    while len(answer) < length:
        answer += connection.recv(length - len(answer))
    return answer


def by_web(served, file):
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--b--\r\n"
    answer = httpx.post(f"{served.base()}/studies", content=body, headers={"Content-Type": KIND}, timeout=60)
    return answer.status_code


def state(served):
    """Return the resident memory of each process, KiB."""
    found = {}
    for process in served.receivers():
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        found[process] = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return found


def beside(served):
    """Return what lies beside the archive and its log."""
    return sorted(path.name for path in served.root.parent.iterdir())
