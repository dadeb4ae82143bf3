"""Archives of ours, driven by the command line as a user drives them."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.children import Run, run
from benchmarks.files import files_below, size_of

INSTITUTION = "necker"


class Archive:
    """A new archive with the embedded defaults."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "archive"
        run([*_PROGRAM, "--json", "init", self.root])

    def call(self, *arguments: str | Path, ok: Sequence[int] = (0,)) -> Run:
        return run([*_PROGRAM, "--json", "--archive", self.root, *arguments], ok=ok)

    def ingest(self, source: Path, tier: str = "hot") -> Run:
        # Files that are no DICOM, or have no identity, are refused: partial is an expected end.
        return self.call("ingest", source, "--institution", INSTITUTION, "--tier", tier, ok=(0, 3))

    def audit(self, *, ok: Sequence[int] = (0,)) -> Run:
        return self.call("audit", "run", "--all", ok=ok)

    def studies(self) -> list[str]:
        return [study["study_uid"] for study in data_of(self.call("study", "list"))["studies"]]

    def export(self, study_uid: str, out: Path) -> Run:
        return self.call("study", "export", study_uid, "--out", out)

    def export_all(self, out: Path) -> Run:
        return self.call("study", "export", "--all", "--out", out)

    def rebuild(self) -> Run:
        return self.call("catalog", "rebuild")

    def startup_s(self) -> float:
        """Return how long a command takes that only opens the archive and its catalog."""
        return statistics.median(self.call("study", "list", "--limit", "1").seconds for _ in range(3))

    def shards(self, *volumes: str) -> list[Path]:
        return files_below(*(self.root / volume / "packages" for volume in volumes))

    def size_bytes(self, *volumes: str) -> int:
        """Return everything on these volumes: shards, documents, journal and keyring."""
        return size_of(files_below(*(self.root / volume for volume in volumes)))


HOT = ("hot-a", "hot-b")
COLD = tuple(f"cold-{number}" for number in range(1, 7))
_PROGRAM = [sys.executable, "-m", "retention"]


def data_of(done: Run) -> dict[str, Any]:
    """Return the `data` of a command's JSON document."""
    data: dict[str, Any] = json.loads(done.output)["data"]
    return data


def startup_of(runs: Sequence[Run]) -> float:
    """Return what of these commands' time lay outside the work they timed themselves."""
    return statistics.median(done.seconds - float(data_of(done)["seconds"]) for done in runs)


def plain_help() -> Run:
    return run([*_PROGRAM, "--help"])
