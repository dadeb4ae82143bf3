"""Orthanc, from Debian: a PACS that others use, as a peer of the archive."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PROGRAM = "/usr/sbin/Orthanc"
START_TIMEOUT_S = 30.0


@dataclass
class Orthanc:
    """One that runs."""

    url: str

    def add(self, data: bytes) -> str:
        """Put a file into it; return its name there."""
        return str(self._json(httpx.post(f"{self.url}/instances", content=data))["ID"])

    def send(self, modality: str, names: list[str]) -> None:
        """Send instances by C-STORE. Raises for what is not taken."""
        self._json(httpx.post(f"{self.url}/modalities/{modality}/store", json=names, timeout=60))

    def files(self) -> list[bytes]:
        """Return all that it holds."""
        names = self._json(httpx.get(f"{self.url}/instances"))
        return [httpx.get(f"{self.url}/instances/{name}/file").content for name in names]

    def commitment(self, modality: str, references: list[tuple[str, str]]) -> dict[str, Any]:
        """Ask for storage commitment; wait for the report and return it."""
        body = {"DicomInstances": [list(each) for each in references]}
        answer = httpx.post(f"{self.url}/modalities/{modality}/storage-commitment", json=body)
        transaction = self._json(answer)["ID"]
        for _ in range(200):
            report = self._json(httpx.get(f"{self.url}/storage-commitment/{transaction}"))
            if report["Status"] != "Pending":
                return dict(report)
            time.sleep(0.1)
        raise TimeoutError("no report came")

    def _json(self, answer: httpx.Response) -> Any:
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running(
    folder: Path, http_port: int, dicom_port: int, modalities: dict[str, list[Any]]
) -> Iterator[Orthanc]:
    """Run one whose AE title is ORTHANC, that knows these modalities."""
    folder.mkdir()
    settings = {
        "Name": "peer",
        "DicomAet": "ORTHANC",
        "DicomPort": dicom_port,
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "DicomModalities": modalities,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (
        (folder / "orthanc.log").open("w") as log,
        subprocess.Popen([PROGRAM, folder / "orthanc.json"], stdout=log, stderr=log) as process,
    ):
        try:
            orthanc = Orthanc(f"http://127.0.0.1:{http_port}")
            _wait_for(orthanc, process, folder)
            yield orthanc
        finally:
            process.terminate()


def _wait_for(orthanc: Orthanc, process: subprocess.Popen[bytes], folder: Path) -> None:
    waited_s = 0.0
    while waited_s < START_TIMEOUT_S:
        assert process.poll() is None, (folder / "orthanc.log").read_text()
        try:
            httpx.get(f"{orthanc.url}/system").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
            waited_s += 0.1
        else:
            return
    raise TimeoutError((folder / "orthanc.log").read_text())
