"""The programs we compare with, called as their users would call them."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from benchmarks.children import Run, run
from benchmarks.files import files_below, size_of


class Restic:
    """A restic repository with `--compression auto`, its cache beside it."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "restic"
        self._environment = {"RESTIC_PASSWORD": "benchmark", "RESTIC_CACHE_DIR": str(folder / "restic-cache")}
        self._run("init", "--repository-version", "2")

    def backup(self, source: Path) -> Run:
        return self._run("backup", "--compression", "auto", source)

    def check(self) -> Run:
        return self._run("check", "--read-data")

    def restore(self, out: Path) -> Run:
        return self._run("restore", "latest", "--target", out)

    def startup_s(self) -> float:
        """Return how long a command takes that only opens the repository."""
        return statistics.median(self._run("cat", "config").seconds for _ in range(3))

    def files(self) -> list[Path]:
        return files_below(self.repository)

    def size_bytes(self) -> int:
        return size_of(self.files())

    def _run(self, *arguments: str | Path) -> Run:
        command = ["restic", "--quiet", "--repo", self.repository, *arguments]
        return run(command, environment=self._environment)


def b3sum(paths: Sequence[Path]) -> Run:
    return run(["b3sum", *paths])


class Par2:
    """Files with Reed–Solomon recovery files beside them. `blocks` None leaves the choice to par2."""

    def __init__(
        self, folder: Path, sources: Sequence[Path], redundancy_percent: int, blocks: int | None
    ) -> None:
        self._folder = folder
        self._kept = folder.with_name(f"{folder.name}-kept")
        folder.mkdir()
        for source in sources:
            shutil.copyfile(source, folder / source.name)
        count = [] if blocks is None else [f"-b{blocks}"]
        names = [source.name for source in sources]
        command = ["par2", "create", "-q", "-q", f"-r{redundancy_percent}", "-n1", *count, "all.par2", *names]
        run(command, directory=folder)

    def repair_without(self, names: Sequence[str]) -> Run:
        """Delete these files and let par2 make them again."""
        for name in names:
            (self._folder / name).unlink()
        repaired = run(["par2", "repair", "-q", "-q", "all.par2"], directory=self._folder)
        assert all((self._folder / name).exists() for name in names)
        return repaired


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the peers' versions. Raises FileNotFoundError when one is not installed."""
    commands = (["restic", "version"], ["par2", "--version"], ["b3sum", "--version"])
    return {command[0]: _number_in(run(command).output) for command in commands}


def _number_in(text: str) -> str:
    return next(word for word in text.split() if word[0].isdigit())
