"""What receives and answers at the doors: ours, Orthanc as fast as it can be made, and a bare receiver.

Each is started anew in a folder of its own, and is not measured before it answers.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.archives import INSTITUTION, Archive
from benchmarks.children import PROJECT, run_module

TUNED = {"TCP_NODELAY": "1", "TCP_BUFFER_LENGTH": "1048576"}
"""DCMTK waits for small packets unless told otherwise: both sides are told."""

TITLE = "BENCH"
PLUGINS = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Door:
    """Where something answers: the DICOM port, what it calls itself, the base of its DICOMweb."""

    port: int
    title: str
    web: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def ours(folder: Path, source: Path | None = None, studies: int = 0) -> Iterator[Door]:
    """An archive that serves, with what lies in a folder ingested before, or a catalog of so many studies."""
    archive = Archive(folder)
    archive.call("institution", "add", INSTITUTION, "--ae-title", TITLE)
    if source is not None:
        archive.ingest(source)
    if studies:
        run_module("benchmarks.dated", archive.root, "--studies", str(studies), "--packages")
    dicom, web = free_port(), free_port()
    with (archive.root / "archive.yaml").open("a") as file:
        file.write(f"\nlisteners: {{dimse: {{port: {dicom}}}, web: {{port: {web}}}}}\n")
    command = [sys.executable, "-m", "retention", "--archive", str(archive.root), "serve"]
    with _running(command, folder):
        _wait_for_port(dicom)
        _wait_for(f"http://127.0.0.1:{web}/livez")
        yield Door(dicom, "RETENTION", f"http://127.0.0.1:{web}/{INSTITUTION}")


@contextmanager
def orthanc(folder: Path) -> Iterator[Door]:
    """Orthanc with its default durability, a thread for every association, and DICOMweb."""
    dicom, web = free_port(), free_port()
    settings = {
        "Name": "peer",
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        "HttpPort": web,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomThreadsCount": 60,
        "MaximumPduLength": 131072,
        "TcpNoDelay": True,
        "HttpThreadsCount": 50,
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "Plugins": [str(PLUGINS)] if PLUGINS.exists() else [],
        "DicomWeb": {"Enable": True},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    with _running(["/usr/sbin/Orthanc", str(path)], folder):
        _wait_for(f"http://127.0.0.1:{web}/system")
        _wait_for_port(dicom)
        yield Door(dicom, "ORTHANC", f"http://127.0.0.1:{web}/dicom-web")


@contextmanager
def bare(folder: Path) -> Iterator[Door]:
    """pynetdicom as it comes, which writes files and syncs none."""
    port = free_port()
    (folder / "bare").mkdir()
    command = [sys.executable, "-m", "benchmarks.bare_receiver", str(port), str(folder / "bare")]
    with _running(command, folder):
        _wait_for_port(port)
        yield Door(port, "BARE", "")


def store(door: Door, shares: Sequence[Sequence[Path]]) -> float:
    """Send by as many storescu at once as there are shares; return how long it took. Raises RuntimeError."""
    environment = {**os.environ, **TUNED}
    command = [
        "storescu",
        "--max-pdu",
        "131072",
        "-aet",
        TITLE,
        "-aec",
        door.title,
        "127.0.0.1",
        str(door.port),
    ]
    began_s = time.perf_counter()
    senders = [
        subprocess.Popen(
            [*command, *map(str, share)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
        )
        for share in shares
    ]
    said = [sender.communicate()[1] for sender in senders]
    seconds = time.perf_counter() - began_s
    for sender, text in zip(senders, said, strict=True):
        if sender.returncode:
            raise RuntimeError(f"a sender ended with {sender.returncode}: {text.decode()[-400:]}")
    return seconds


@contextmanager
def _running(command: Sequence[str], folder: Path) -> Iterator[None]:
    environment = {**os.environ, **TUNED}
    with (folder / "said.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=PROJECT, env=environment)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait_for(url: str) -> None:
    until_s = time.perf_counter() + START_TIMEOUT_S
    while time.perf_counter() < until_s:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # of this machine
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer")


def _wait_for_port(port: int) -> None:
    until_s = time.perf_counter() + START_TIMEOUT_S
    while time.perf_counter() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            time.sleep(0.5)
            return
    raise RuntimeError(f"port {port} does not answer")
