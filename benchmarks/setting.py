"""What every program is given: a corpus, a place to work, how often and how large."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.archives import Archive
from benchmarks.children import run_module
from benchmarks.figures import Row, table
from benchmarks.peers import Restic

ROUNDS = 3


@dataclass(slots=True)
class Setting:
    """`corpus` is a folder of studies, or None for the generated one. `quick` sizes show that programs run, no more."""

    scratch: Path
    corpus: Path | None = None
    rounds: int = ROUNDS
    is_quick: bool = False
    _made: dict[str, Path] = field(default_factory=dict)
    _archives: dict[str, Archive] = field(default_factory=dict)
    _repositories: list[Restic] = field(default_factory=list)

    def size(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full

    def studies(self) -> Path:
        """Return the folder to ingest: the given one, else 2 GB of generated CT studies."""
        if self.corpus is not None:
            return self.corpus
        instances = str(self.size(3_840, 96))
        return self.generated("ct", "--instances", instances, "--studies", "16")

    def archive(self, tier: str) -> Archive:
        """Return an archive whose `tier` holds the studies; made at most once a run, and left as it is."""
        if tier not in self._archives:
            archive = Archive(self._folder(tier))
            archive.ingest(self.studies(), tier)
            self._archives[tier] = archive
        return self._archives[tier]

    def repository(self) -> Restic:
        """Return the peer's repository of the studies; made at most once a run."""
        if not self._repositories:
            restic = Restic(self._folder("peer"))
            restic.backup(self.studies())
            self._repositories.append(restic)
        return self._repositories[0]

    def generated(self, name: str, *arguments: str) -> Path:
        """Return a generated corpus; made at most once a run, in a process of its own."""
        if name not in self._made:
            folder = self.scratch / f"corpus-{name}"
            run_module("benchmarks.corpus", folder, *arguments)
            self._made[name] = folder
        return self._made[name]

    def forget(self, name: str) -> None:
        """Delete a generated corpus that nobody needs any more."""
        shutil.rmtree(self._made.pop(name))

    def _folder(self, name: str) -> Path:
        path = self.scratch / f"held-{name}"
        path.mkdir()
        return path

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder to work in, gone afterwards."""
        path = Path(tempfile.mkdtemp(dir=self.scratch))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--corpus", type=Path, help="a folder of DICOM studies; without it 2 GB of CT are generated"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="how often both sides are measured, in turn"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that the programs run, not how fast"
    )
    parser.add_argument("--scratch", type=Path, help="a folder on the disk to be measured")
    return parser


@contextmanager
def setting_of(parsed: argparse.Namespace) -> Iterator[Setting]:
    scratch = Path(tempfile.mkdtemp(prefix="retention-bench-", dir=parsed.scratch))
    try:
        corpus = parsed.corpus.resolve() if parsed.corpus is not None else None
        yield Setting(scratch, corpus, parsed.rounds, parsed.quick)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def alone(measure: Callable[[Setting], Iterable[Row]], description: str | None) -> None:
    """Run one program by itself and print its table."""
    with setting_of(arguments(description).parse_args()) as setting:
        print(table(list(measure(setting))), end="")
