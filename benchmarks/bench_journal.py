"""The journal: appending in batches, verifying ten million entries, and proofs out of them.

Run: python -m benchmarks.bench_journal [--quick]; LONG_JOURNAL=FOLDER: the long journal is made there, and kept.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.figures import Row, size_text
from benchmarks.long_journal import FolderReplica, open_journal, write_long_journal
from benchmarks.setting import Setting, alone
from retention.journal.envelope import NewEntry
from retention.journal.journal import Journal
from retention.journal.merkle import (
    LeafRange,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from retention.journal.tiles import Tiles

AT = datetime(2026, 11, 24, 5, 32, 3, tzinfo=UTC)
BATCH = 500
A_SECOND, VERIFY_S, MEMORY_BYTES, PROOF_S = 5_000, 60, 500_000_000, 0.010


@dataclass(slots=True)
class Spent:
    """Seconds on the clock, and of the processor."""

    seconds: float = 0.0
    cpu_s: float = 0.0


def measure(setting: Setting) -> Iterator[Row]:
    with setting.folder() as folder:
        yield appended(folder / "appended", setting.size(50_000, 2_000))
        kept = os.environ.get("LONG_JOURNAL")
        long = Path(kept) if kept else folder / "long"
        count = setting.size(10_000_000, 20_000)
        if not long.exists():
            write_long_journal(long, count)
        yield from verified(long)
        yield from proven(long)


def appended(folder: Path, count: int) -> Row:
    replicas = [FolderReplica(name, folder / name) for name in ("a", "b", "c")]
    journal = Journal.create(replicas)

    def append() -> None:
        for first in range(0, count, BATCH):
            journal.append([entry(number) for number in range(first, first + BATCH)])

    took = spent(append)
    journal.close()
    rate = count / took.seconds
    ours = f"{rate:,.0f} a second ({took.seconds:.2f} s; processor {took.cpu_s:.2f})"
    work = f"append {count:,} entries to three replicas, {BATCH} with one sync"
    return Row(work, ours, target=f"{A_SECOND:,} a second", held=rate >= A_SECOND)


def entry(number: int) -> NewEntry:
    objects = {"package": f"{number:032x}"}
    return NewEntry(AT, "retention", "shard.repair", objects=objects, data={"shards": 2, "bytes": 65536})


def verified(folder: Path) -> Iterator[Row]:
    journal = open_journal(folder)

    def verify() -> None:
        report = journal.verify()
        assert report.entries == journal.size
        assert not report.problems

    took = spent(verify)
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    ours = f"{took.seconds:.1f} s (processor {took.cpu_s:.1f})"
    yield Row(
        f"verify {journal.size:,} entries, two replicas",
        ours,
        target=f"{VERIFY_S} s",
        held=took.seconds <= VERIFY_S,
    )
    is_small = peak_bytes < MEMORY_BYTES
    yield Row("peak memory of that", size_text(peak_bytes), target=size_text(MEMORY_BYTES), held=is_small)
    journal.close()


def proven(folder: Path) -> Iterator[Row]:
    journal, tiles = open_journal(folder), Tiles(folder / "tiles")
    size, root = journal.size, journal.root()
    known = tiles.size
    made = spent(lambda: tiles.extend(journal.leaves(known), known))
    if known == 0:
        yield Row(
            f"make the hashes of {size:,} entries", f"{made.seconds:.1f} s (processor {made.cpu_s:.1f})"
        )
    chosen = [size * number // 97 for number in range(1, 97)]

    def include(seq: int) -> None:
        line = journal.line(seq, tiles.leaf(seq)) or b""
        proof = tiles.roots(inclusion_ranges(seq, size))
        assert verify_inclusion(leaf_hash(line), seq, size, proof, root)

    def continue_(first: int) -> None:
        old, *proof = tiles.roots([LeafRange(0, first), *consistency_ranges(first, size)])
        assert verify_consistency(first, size, proof, old, root)

    for what, prove in (("inclusion, with its line", include), ("consistency", continue_)):
        prove(chosen[0])  # opened
        took = [spent(partial(prove, seq)) for seq in chosen]
        median_s = statistics.median(one.seconds for one in took)
        cpu_ms = statistics.mean(one.cpu_s for one in took) * 1000
        ours = f"{median_s * 1000:.1f} ms (processor {cpu_ms:.1f} ms)"
        work = f"proof of {what}, made and verified, among {size:,} entries"
        yield Row(work, ours, target=f"{PROOF_S * 1000:.0f} ms", held=median_s <= PROOF_S)
    journal.close()


def spent(work: Callable[[], None]) -> Spent:
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - began_s, time.process_time() - began_cpu_s)


if __name__ == "__main__":
    alone(measure, __doc__)
