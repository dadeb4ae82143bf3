"""Rebuilding a lost catalog from the journal: is the time linear in the number of studies?

Run: python -m benchmarks.bench_rebuild [--quick]
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.archives import Archive, data_of
from benchmarks.children import Run, run_module
from benchmarks.figures import Row, size_text
from benchmarks.setting import Setting, alone

A_STUDY = 2
LINEAR = 1.25


def measure(setting: Setting) -> Iterator[Row]:
    levels = [setting.size(count, count // 100) for count in (10_000, 30_000, 100_000)]
    costs: dict[int, float] = {}
    held = 0
    with setting.folder() as folder:
        archive = Archive(folder)
        startup_s = archive.startup_s()
        for level in levels:
            counts = ("--studies", str(level - held), "--instances", str(A_STUDY))
            run_module("benchmarks.held", archive.root, *counts, "--first", str(held))
            held = level
            runs = [rebuilt(archive, level) for _ in range(setting.rounds)]
            seconds = statistics.median(run.seconds for run in runs)
            costs[level] = (seconds - startup_s) / level
            peak = size_text(max(run.peak_bytes for run in runs))
            ours = f"{level / seconds:,.0f} a second ({seconds:.2f} s; start {startup_s:.2f}; peak {peak})"
            yield Row(f"rebuild the catalog of {level:,} studies", ours, target="measured")
    ratio = costs[levels[-1]] / costs[levels[0]]
    work = f"the same, each study, {levels[-1]:,} against {levels[0]:,}"
    yield Row(work, f"{(ratio - 1) * 100:+.0f}%", ratio=ratio, target="linear", held=ratio <= LINEAR)


def rebuilt(archive: Archive, studies: int) -> Run:
    for path in archive.root.glob("catalog.db*"):
        path.unlink()
    done = archive.rebuild()
    assert data_of(done)["studies"] == studies
    return done


if __name__ == "__main__":
    alone(measure, __doc__)
