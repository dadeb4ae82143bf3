"""Small studies: 5,000 of one 100 KB instance each, where files, syncs and rows cost more than bytes.

Run: python -m benchmarks.bench_small [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.archives import Archive, startup_of
from benchmarks.children import Run
from benchmarks.figures import Row, compare
from benchmarks.files import files_below, size_of, warm
from benchmarks.peers import Restic
from benchmarks.setting import Setting, alone

ROWS = 224  # × 224 samples of 2 bytes: 100 KB


def measure(setting: Setting) -> Iterator[Row]:
    count = setting.size(5_000, 100)
    studies = str(count)
    source = setting.generated("small", "--instances", studies, "--studies", studies, "--rows", str(ROWS))
    files = files_below(source)
    warm(files)
    starts: list[float] = []

    def ours(tier: str) -> Run:
        with setting.folder() as folder:
            return Archive(folder).ingest(source, tier)

    def theirs() -> Run:
        with setting.folder() as folder:
            restic = Restic(folder)
            starts.append(restic.startup_s())
            return restic.backup(source)

    for tier, target in (("hot", 1.0), ("cold", None)):
        both = compare(setting.rounds, partial(ours, tier), theirs)
        work = f"{count:,} studies of 100 KB into {tier}"
        startup_s = startup_of(both.ours), min(starts)
        yield both.row(work, size_of(files), "restic backup", target, startup_s)
    setting.forget("small")


if __name__ == "__main__":
    alone(measure, __doc__)
