"""An archive that serves: the program as its own process, and real devices (DCMTK) that call it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retention.archive import add_institution, create_archive, institution_of, open_archive, prepare_to_write
from retention.model.layout import InstitutionSpec

START_TIMEOUT_S = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Served:
    """One archive, and the process that serves it while there is one."""

    root: Path
    port: int
    process: subprocess.Popen[str] | None = None
    viewer_port: int = 0
    web_port: int = 0

    @classmethod
    def make(cls, folder: Path, settings: str = "", necker: str = "{ae_titles: [NECKER_CT1]}") -> Served:
        """Make an archive with the institution necker, and what else archive.yaml is to say."""
        root, port = folder / "A", free_port()
        create_archive(root, "test", is_rehearsal=False).stores.close()
        text = (root / "archive.yaml").read_text()
        text = text.replace("institutions: {}", f"institutions: {{necker: {necker}}}")
        if "listeners:" not in settings:
            settings += "\nlisteners: {dimse: {port: PORT}}\n"
        (root / "archive.yaml").write_text(text + settings.replace("PORT", str(port)))
        stores = open_archive(root)
        prepare_to_write(stores)
        institution_of(stores, "necker")
        stores.close()
        return cls(root, port)

    @classmethod
    def make_web(cls, folder: Path, settings: str = "") -> Served:
        """Make an archive that serves DICOMweb, with the institutions necker and pasteur."""
        web_port = free_port()
        listeners = f"{settings}\nlisteners: {{dimse: {{port: PORT}}, web: {{port: {web_port}}}}}\n"
        served = cls.make(folder, listeners)
        stores = open_archive(served.root)
        add_institution(stores, InstitutionSpec("pasteur"))
        stores.close()
        served.web_port = web_port
        return served

    def base(self, institution: str = "necker") -> str:
        return f"http://127.0.0.1:{self.web_port}/{institution}"

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def log(self) -> Path:
        return self.root.parent / "serve.log"

    def start(self) -> None:
        """Serve, and wait until it listens, or has ended."""
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "retention", "--archive", str(self.root), "--json", "serve"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        waited_s = 0.0
        last = "DICOMweb" if self.web_port else "listening"
        while last not in self.said and self.process.poll() is None:
            time.sleep(0.05)
            waited_s += 0.05
            assert waited_s < START_TIMEOUT_S, self.said

    def document(self) -> Any:
        """Wait until it ends; return what it prints."""
        assert self.process is not None
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out)

    def stop(self) -> Any:
        """Stop it as systemd would; return the document it prints."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.document()

    def receivers(self) -> list[int]:
        """Return the process ids of its receivers."""
        assert self.process is not None
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(each) for each in found.split()]

    def kill(self) -> None:
        """End it, and the receivers, as a power cut would."""
        assert self.process is not None
        for each in [self.process.pid, *self.receivers()]:
            os.kill(each, signal.SIGKILL)
        self.process.communicate()

    def entries(self, action: str) -> int:
        """Return how many entries of a kind the journal has."""
        stores = open_archive(self.root)
        try:
            return sum(entry.envelope.action == action for entry in stores.journal.read())
        finally:
            stores.close()

    def dcmtk(
        self, tool: str, *arguments: str | Path, title: str = "NECKER_CT1", called: str = "RETENTION"
    ) -> subprocess.CompletedProcess[str]:
        """Run a DCMTK tool against it."""
        command = [tool, "-aet", title, "-aec", called, "127.0.0.1", str(self.port), *map(str, arguments)]
        environment = {**os.environ, "TCP_NODELAY": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=environment
        )


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    served.start()
    try:
        yield served
    finally:
        if served.process is not None and served.process.poll() is None:
            served.kill()


def exported(served: Served, out: Path) -> dict[str, bytes]:
    """Return all that the archive gives back, by file name."""
    from retention.services.progress import NoProgress
    from retention.services.retrieve import export_study

    stores = open_archive(served.root)
    prepare_to_write(stores)
    try:
        for summary in list(stores.catalog.studies()):
            study = stores.catalog.study(summary.study_uid, summary.institution)
            report = export_study(stores, study, out / summary.study_uid, NoProgress(), jobs=2)
            assert report.failures == []
    finally:
        stores.close()
    return {path.name: path.read_bytes() for path in out.rglob("*.dcm")}


def dataset_of(data: bytes) -> bytes:
    """Return the data set of a Part 10 file, without file meta: what DIMSE carries."""
    length = int.from_bytes(data[140:144], "little")
    assert re.match(rb".{128}DICM\x02\0\0\0UL", data, re.DOTALL)
    return data[144 + length :]
