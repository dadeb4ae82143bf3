"""Audit of a whole cold archive: beside `restic check --read-data`, and beside `b3sum` of the same shards.

Run: python -m benchmarks.bench_audit [--corpus DIR] [--quick]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.archives import COLD, startup_of
from benchmarks.children import Run
from benchmarks.figures import Row, compare
from benchmarks.files import drop_cached, files_below, size_of, warm
from benchmarks.peers import b3sum
from benchmarks.setting import Setting, alone


def measure(setting: Setting) -> Iterator[Row]:
    archive, restic = setting.archive("cold"), setting.repository()
    shards, repository = archive.shards(*COLD), restic.files()
    both = compare(
        setting.rounds,
        after(drop_cached, shards, archive.audit),
        after(drop_cached, repository, restic.check),
    )
    size_bytes = size_of(files_below(setting.studies()))
    startup_s = startup_of(both.ours), restic.startup_s()
    work = "audit all of a cold archive, in originals"
    yield both.row(work, size_bytes, "restic check --read-data", 5, startup_s)
    for state, prepare in (("after dropping its cache", drop_cached), ("warm", warm)):
        both = compare(
            setting.rounds,
            after(prepare, shards, archive.audit),
            after(prepare, shards, partial(b3sum, shards)),
        )
        startup_s = startup_of(both.ours), 0.0
        work = f"audit, in stored bytes, {state}"
        yield both.row(work, size_of(shards), "b3sum of the same files", 0.5, startup_s)


def after(
    prepare: Callable[[Sequence[Path]], None], files: Sequence[Path], work: Callable[[], Run]
) -> Callable[[], Run]:
    def prepared() -> Run:
        prepare(files)
        return work()

    return prepared


if __name__ == "__main__":
    alone(measure, __doc__)
