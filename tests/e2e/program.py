"""The real program, started as from a shell, and what people and disks do to an archive."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COLD = tuple(f"cold-{number}" for number in range(1, 7))


def environment() -> dict[str, str]:
    """Nothing of the caller's but where things are; the program as it lies here."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("RETENTION_", "NO_COLOR"))
    }
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}


@dataclass(frozen=True)
class Done:
    """How a call ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        assert self.document["error"] is None, self.document
        return self.document["data"]


@dataclass(frozen=True)
class Program:
    """The program with an archive named on its command line."""

    archive: Path

    def __call__(self, *arguments: str | Path, code: int | tuple[int, ...] = 0, **options: Any) -> Done:
        done = self.run("--archive", self.archive, "--json", *arguments, **options)
        assert done.code in (code if isinstance(code, tuple) else (code,)), done
        assert "Traceback" not in done.err
        return done

    @staticmethod
    def run(*arguments: str | Path, **options: Any) -> Done:
        """Run the program with these arguments alone."""
        command = [sys.executable, "-m", "retention", *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment(), **options
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def studies(self) -> list[dict[str, Any]]:
        studies: list[dict[str, Any]] = self("study", "list").data["studies"]
        return studies

    def export(self, studies: list[dict[str, Any]], out: Path) -> set[str]:
        """Export these studies; return the digests of what came."""
        for study in studies:
            self("study", "export", study["study_uid"], "--out", out / study["study_uid"])
        return digests(out)


def digests(folder: Path) -> set[str]:
    """SHA-256 of every file below a folder."""
    return {sha256(path) for path in files_below(folder)}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def empty(volume: Path) -> None:
    for path in files_below(volume):
        path.unlink()


def flip_a_bit(path: Path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[int(len(content) * place)] ^= 0x10
        path.write_bytes(content)
