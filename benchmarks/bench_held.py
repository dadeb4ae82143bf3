"""Does an instance cost more when many are held? Ingest into an archive whose catalog holds 10 to 200 thousand.

The catalog is filled by replaying a generated journal. The cost is that of the work alone, without starting
up. The slope is that of processor time, which other work on the machine hardly touches; the clock stands beside it.

Run: python -m benchmarks.bench_held [--quick]
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.archives import Archive, data_of
from benchmarks.children import run_module
from benchmarks.figures import Row
from benchmarks.files import files_below, warm
from benchmarks.setting import Setting, alone

A_STUDY = 20
NEW_STUDIES = 50
NEW_INSTANCES = 1_000
ROWS = 32
TARGET = 1.25


def measure(setting: Setting) -> Iterator[Row]:
    levels = [setting.size(count, count // 20) for count in (10_000, 50_000, 100_000, 200_000)]
    costs: dict[int, Cost] = {}
    held_studies = new_from = 0
    with setting.folder() as folder:
        archive = Archive(folder)
        for level in levels:
            wanted = level // A_STUDY
            counts = ("--studies", str(wanted - held_studies), "--instances", str(A_STUDY))
            run_module("benchmarks.held", archive.root, *counts, "--first", str(held_studies))
            held_studies = wanted
            rounds = []
            for _ in range(setting.rounds):
                rounds.append(cost_of(setting, archive, new_from))
                new_from += NEW_STUDIES
            costs[level] = Cost(
                statistics.median(cost.seconds for cost in rounds),
                statistics.median(cost.cpu_s for cost in rounds),
            )
            yield Row(f"ingest with {level:,} instances held, each instance", str(costs[level]))
    ratio = costs[levels[-1]].cpu_s / costs[levels[0]].cpu_s
    work = f"the same, {levels[-1]:,} against {levels[0]:,}"
    yield Row(work, f"{(ratio - 1) * 100:+.0f}%", ratio=ratio, target="within 25%", held=ratio <= TARGET)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an instance takes: on the clock, and of processors."""

    seconds: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.cpu_s * 1e3:.2f} ms of processor time, {self.seconds * 1e3:.2f} ms on the clock"


def cost_of(setting: Setting, archive: Archive, first: int) -> Cost:
    """Return what each of some new small instances takes, beside what a command takes that only starts."""
    size = ("--instances", str(NEW_INSTANCES), "--studies", str(NEW_STUDIES), "--rows", str(ROWS))
    source = setting.generated(f"new-{first}", *size, "--first", str(first))
    warm(files_below(source))
    done, start = archive.ingest(source), archive.call("study", "list", "--limit", "1")
    data = data_of(done)
    assert data["stored"] == NEW_INSTANCES
    setting.forget(f"new-{first}")
    return Cost(float(data["seconds"]) / NEW_INSTANCES, (done.cpu_s - start.cpu_s) / NEW_INSTANCES)


if __name__ == "__main__":
    alone(measure, __doc__)
