"""Export of everything, every file verified, beside `restic restore`.

Run: python -m benchmarks.bench_export [--corpus DIR] [--quick]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.archives import HOT, startup_of
from benchmarks.children import Run
from benchmarks.figures import Row, compare
from benchmarks.files import files_below, size_of, warm
from benchmarks.setting import Setting, alone

TARGET = 2.0


def measure(setting: Setting) -> Iterator[Row]:
    archive, restic = setting.archive("hot"), setting.repository()
    stored = [*archive.shards(*HOT), *restic.files()]
    size_bytes = size_of(files_below(setting.studies()))
    with setting.folder() as folder:
        outs = count()

        def whole(work: Callable[[Path], Run]) -> Run:
            out = folder / str(next(outs))
            warm(stored)
            done = work(out)
            assert size_of(files_below(out)) == size_bytes
            return done

        ours, theirs = partial(whole, archive.export_all), partial(whole, restic.restore)
        both = compare(setting.rounds, ours, theirs)
    startup_s = startup_of(both.ours), restic.startup_s()
    yield both.row("export everything", size_bytes, "restic restore", TARGET, startup_s)


if __name__ == "__main__":
    alone(measure, __doc__)
