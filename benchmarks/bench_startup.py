"""What every command pays before it works: `retention --help`, `retention study show`, and the peer's own start.

Run: python -m benchmarks.bench_startup [--quick]
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.archives import Archive, plain_help
from benchmarks.bench_ingest import real_files
from benchmarks.children import Run
from benchmarks.figures import Row, median_s
from benchmarks.peers import Restic
from benchmarks.setting import Setting, alone

TIMES = 7


def measure(setting: Setting) -> Iterator[Row]:
    times = setting.size(TIMES, 2)
    yield row("retention --help", [plain_help() for _ in range(times)], 0.3)
    with setting.folder() as folder:
        archive, restic = Archive(folder), Restic(folder)
        archive.ingest(real_files())
        study = archive.studies()[0]
        shown = [archive.call("study", "show", study) for _ in range(times)]
        peer = f"{restic.startup_s():.2f} s"
    yield row("retention study show", shown, 0.5, "restic cat config", peer)


def row(work: str, runs: list[Run], target_s: float, against: str = "", theirs: str = "") -> Row:
    seconds, cpu_s = median_s(runs), statistics.median(run.cpu_s for run in runs)
    ours = f"{seconds:.2f} s (processor {cpu_s:.2f})"
    return Row(work, ours, against, theirs, target=f"{target_s} s", held=seconds <= target_s)


if __name__ == "__main__":
    alone(measure, __doc__)
