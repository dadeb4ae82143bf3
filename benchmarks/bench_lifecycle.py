"""Moves hot to cold beside ingest into cold, and planning for a million studies.

Run: python -m benchmarks.bench_lifecycle [--corpus DIR] [--quick]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.archives import INSTITUTION, Archive, data_of, startup_of
from benchmarks.children import Run, run_module
from benchmarks.figures import Row, compare, median_s, size_text
from benchmarks.files import files_below, size_of, warm
from benchmarks.setting import Setting, alone

MOVE_TARGET = 1.0
PLAN_TARGET_S = 3.0
DUE = 10_000


def measure(setting: Setting) -> Iterator[Row]:
    yield measure_move(setting)
    yield measure_plan(setting)


def measure_move(setting: Setting) -> Row:
    """Both sides start from an empty cold tier; what is moved was ingested into hot before the clock runs."""
    source = setting.studies()
    files = files_below(source)
    size_bytes = size_of(files)

    def moved() -> Run:
        with setting.folder() as folder:
            archive = Archive(folder)
            archive.ingest(source, "hot")
            plan = _plan_of_all(archive, folder / "plan.json")
            return archive.call("lifecycle", "apply", plan)

    def ingested() -> Run:
        with setting.folder() as folder:
            archive = Archive(folder)
            warm(files)
            return archive.ingest(source, "cold")

    both = compare(setting.rounds, moved, ingested)
    work = f"move hot to cold, without repacking, {size_text(size_bytes)} of originals"
    startup = startup_of(both.ours), startup_of(both.theirs)
    return both.row(work, size_bytes, "ingest into cold", MOVE_TARGET, startup)


def measure_plan(setting: Setting) -> Row:
    studies = setting.size(1_000_000, 20_000)
    with setting.folder() as folder:
        archive = Archive(folder)
        archive.call("institution", "add", INSTITUTION, "--plan", "standard")
        counts = ("--studies", str(studies), "--due", str(DUE))
        run_module("benchmarks.aged", archive.root, *counts)
        planned = [archive.call("lifecycle", "plan") for _ in range(setting.rounds)]
    moves = len(data_of(planned[-1])["moves"])
    assert moves == DUE
    seconds = median_s(planned)
    return Row(
        f"`lifecycle plan`, {studies:,} studies, {moves:,} due",
        f"{seconds:.2f} s (processor {planned[-1].cpu_s:.2f})",
        target=f"{PLAN_TARGET_S:g} s",
        held=seconds <= PLAN_TARGET_S,
    )


def _plan_of_all(archive: Archive, path: Path) -> Path:
    """Write a plan that moves everything from hot to cold."""
    moves = [
        {"study_uid": uid, "institution": INSTITUTION, "from": "hot", "to": "cold"}
        for uid in archive.studies()
    ]
    path.write_text(json.dumps({"schema": "retention/lifecycle-plan/v1", "moves": moves}))
    return path


if __name__ == "__main__":
    alone(measure, __doc__)
