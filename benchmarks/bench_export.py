"""Export of everything, every file verified, beside `restic restore`.

`study export` takes one study: everything is one command a study, and each starts up. The same by one process shows
what is left without that.

Run: python -m benchmarks.bench_export [--corpus DIR] [--quick]
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.archives import HOT, Archive
from benchmarks.children import Run, run_module
from benchmarks.figures import Row, compare
from benchmarks.files import files_below, size_of, warm
from benchmarks.peers import Restic
from benchmarks.setting import Setting, alone

TARGET = 2.0


def measure(setting: Setting) -> Iterator[Row]:
    source = setting.studies()
    with setting.folder() as folder:
        archive, restic = Archive(folder), Restic(folder)
        archive.ingest(source, "hot")
        restic.backup(source)
        stored = [*archive.shards(*HOT), *restic.files()]
        studies, out, size_bytes = archive.studies(), folder / "out", size_of(files_below(source))

        def one_by_one() -> Run:
            return together([archive.export(study, out / study) for study in studies])

        def in_one() -> Run:
            return run_module("benchmarks.export_all", archive.root, out)

        def whole(work: Callable[[], Run]) -> Run:
            warm(stored)
            done = work()
            assert size_of(files_below(out)) == size_bytes
            shutil.rmtree(out)
            return done

        starts_s, peer_start_s = archive.startup_s(), restic.startup_s()
        for work, how, starts in (
            (one_by_one, f"one command for each of {len(studies)} studies", len(studies)),
            (in_one, "one process", 1),
        ):
            both = compare(setting.rounds, partial(whole, work), partial(whole, partial(restic.restore, out)))
            startup_s = starts_s * starts, peer_start_s
            yield both.row(f"export everything, {how}", size_bytes, "restic restore", TARGET, startup_s)


def together(runs: list[Run]) -> Run:
    """Return several commands as if they were one."""
    return Run(
        sum(run.seconds for run in runs),
        sum(run.cpu_s for run in runs),
        max(run.peak_bytes for run in runs),
        runs[0].output,
        max(run.code for run in runs),
    )


if __name__ == "__main__":
    alone(measure, __doc__)
