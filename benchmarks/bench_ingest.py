"""Ingest, and what is stored: into hot (2 copies) and cold (4+2), synced and read back, beside `restic backup`.

Run: python -m benchmarks.bench_ingest [--corpus DIR] [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pydicom

from benchmarks.archives import HOT, Archive, startup_of
from benchmarks.children import Run
from benchmarks.figures import Row, compare, size_text
from benchmarks.files import files_below, size_of, warm
from benchmarks.peers import Restic
from benchmarks.setting import Setting, alone

TARGETS = {"hot": 3.0, "cold": 2.5}


def real_files() -> Path:
    """Return the folder of real files that pydicom's wheel brings: many kinds, none large."""
    return Path(pydicom.__file__).parent / "data" / "test_files"


def measure(setting: Setting) -> Iterator[Row]:
    studies = setting.studies()
    name = "CT studies" if setting.corpus is None else "given studies"
    yield from measure_folder(setting, studies, name, TARGETS)
    yield from measure_folder(setting, real_files(), "pydicom's files", {})


def measure_folder(setting: Setting, source: Path, name: str, targets: dict[str, float]) -> Iterator[Row]:
    files = files_below(source)
    size_bytes = size_of(files)
    stored: dict[str, int] = {}

    def ours(tier: str) -> Run:
        with setting.folder() as folder:
            archive = Archive(folder)
            done = archive.ingest(source, tier)
            if tier == "hot":
                stored["ours"] = archive.size_bytes(HOT[0])
            return done

    def theirs() -> Run:
        with setting.folder() as folder:
            restic = Restic(folder)
            done = restic.backup(source)
            stored["theirs"] = restic.size_bytes()
            stored["start"] = int(restic.startup_s() * 1000)
            return done

    for tier in ("hot", "cold"):
        warm(files)
        both = compare(setting.rounds, partial(ours, tier), theirs)
        startup_s = startup_of(both.ours), stored["start"] / 1000
        work = f"ingest {name} into {tier}, {size_text(size_bytes)}"
        yield both.row(work, size_bytes, "restic backup", targets.get(tier), startup_s)
    yield Row(
        f"stored bytes of one hot copy, {name}",
        f"{size_text(stored['ours'])} ({size_bytes / stored['ours']:.2f}:1)",
        "restic's repository",
        f"{size_text(stored['theirs'])} ({size_bytes / stored['theirs']:.2f}:1)",
        stored["theirs"] / stored["ours"],
        "smaller",
        stored["ours"] < stored["theirs"],
    )


if __name__ == "__main__":
    alone(measure, __doc__)
