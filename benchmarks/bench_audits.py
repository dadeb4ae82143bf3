"""Planning the next hour of audits among a million packages.

Run: python -m benchmarks.bench_audits [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.archives import INSTITUTION, Archive, data_of
from benchmarks.children import run_module
from benchmarks.figures import Row
from benchmarks.setting import Setting, alone

PLAN_TARGET_S = 2.0


def measure(setting: Setting) -> Iterator[Row]:
    packages = setting.size(1_000_000, 20_000)
    with setting.folder() as folder:
        archive = Archive(folder)
        archive.call("institution", "add", INSTITUTION, "--plan", "standard")
        run_module("benchmarks.aged", archive.root, "--studies", str(packages), "--due", "10000")
        runs = [run_module("benchmarks.planned", archive.root) for _ in range(setting.rounds)]
    found = [data_of(run) for run in runs]
    seconds = median(float(each["planned_s"]) for each in found)
    yield Row(
        f"plan the next hour of audits among {packages:,} packages: {found[-1]['packages']:,} are read",
        f"{seconds:.2f} s of processor time",
        target=f"{PLAN_TARGET_S:g} s",
        held=seconds <= PLAN_TARGET_S,
    )


if __name__ == "__main__":
    alone(measure, __doc__)
