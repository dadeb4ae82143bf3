"""Ingest, and what is stored: into hot (2 copies) and cold (4+2), synced and read back, beside `restic backup`.

Run: python -m benchmarks.bench_ingest [--corpus DIR] [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path

import pydicom

from benchmarks.archives import HOT, Archive, startup_of
from benchmarks.children import Run
from benchmarks.figures import Row, compare_each, size_text
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


def measure_folder(
    setting: Setting, source: Path, name: str, targets: Mapping[str, float | None]
) -> Iterator[Row]:
    files = files_below(source)
    size_bytes = size_of(files)
    with (
        setting.folder() as folder
    ):  # everything stays until the end: to delete takes time from what comes next
        numbers = count()

        def ours(tier: str) -> Run:
            return archives(tier).ingest(source, tier)

        def archives(tier: str) -> Archive:
            made[tier] = Archive(new_folder(folder, next(numbers)))
            return made[tier]

        def theirs() -> Run:
            repositories.append(Restic(new_folder(folder, next(numbers))))
            return repositories[-1].backup(source)

        made: dict[str, Archive] = {}
        repositories: list[Restic] = []
        warm(files)
        both = compare_each(setting.rounds, {tier: partial(ours, tier) for tier in ("hot", "cold")}, theirs)
        peer_start_s = repositories[-1].startup_s()
        for tier, compared in both.items():
            startup_s = startup_of(compared.ours), peer_start_s
            work = f"ingest {name} into {tier}, {size_text(size_bytes)}"
            yield compared.row(work, size_bytes, "restic backup", targets.get(tier), startup_s)
        stored, theirs_stored = made["hot"].size_bytes(HOT[0]), repositories[-1].size_bytes()
    yield Row(
        f"stored bytes of one hot copy, {name}",
        f"{size_text(stored)} ({size_bytes / stored:.2f}:1)",
        "restic's repository",
        f"{size_text(theirs_stored)} ({size_bytes / theirs_stored:.2f}:1)",
        theirs_stored / stored,
        "smaller",
        stored < theirs_stored,
    )


def new_folder(parent: Path, number: int) -> Path:
    path = parent / str(number)
    path.mkdir()
    return path


if __name__ == "__main__":
    alone(measure, __doc__)
