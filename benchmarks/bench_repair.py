"""Repair with 2 of 6 volumes lost: bytes rebuilt a second, beside `par2 repair` of the same loss.

par2 gets one study's cold shards' worth of bytes in four files and half as much recovery data; two of the four are
deleted. It is measured with its own choice of blocks, and with the fewest that the loss allows, which is its quickest.

Run: python -m benchmarks.bench_repair [--corpus DIR] [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.archives import COLD, Archive, data_of, startup_of
from benchmarks.children import Run
from benchmarks.figures import Row, compare, rate
from benchmarks.files import size_of
from benchmarks.peers import Par2
from benchmarks.setting import Setting, alone

LOST = ("cold-2", "cold-5")
PAR2_BYTES = 64 * 1024 * 1024
TARGET = 20.0


def measure(setting: Setting) -> Iterator[Row]:
    with setting.folder() as folder:
        archive = setting.archive("cold")
        sources = par2_sources(archive, folder, setting.size(PAR2_BYTES, PAR2_BYTES // 64))
        lost_bytes = 0

        def ours() -> Run:
            nonlocal lost_bytes
            lost = archive.shards(*LOST)
            lost_bytes = size_of(lost)
            for path in lost:
                path.unlink()
            done = archive.audit(ok=(4,))
            assert data_of(done)["repaired"] == len(lost)
            return done

        for name, blocks in (("its own blocks", None), ("4 blocks", 4)):
            par2 = Par2(folder / f"par2-{blocks}", sources, 50, blocks)
            par2_lost = sources[1:3]
            both = compare(
                setting.rounds, ours, partial(par2.repair_without, [path.name for path in par2_lost])
            )
            ours_rate = [lost_bytes / run.seconds for run in both.ours]
            theirs_rate = [size_of(par2_lost) / run.seconds for run in both.theirs]
            ratio = sorted(a / b for a, b in zip(ours_rate, theirs_rate, strict=True))[len(ours_rate) // 2]
            yield Row(
                "repair with 2 of 6 volumes lost, bytes rebuilt",
                rate(both.ours, lost_bytes, startup_of(both.ours)),
                f"par2 repair of 2 files of 4, {name}",
                rate(both.theirs, size_of(par2_lost), 0.0),
                ratio,
                f"{TARGET:g}×" if blocks is None else "measured",
                ratio >= TARGET if blocks is None else None,
            )


def par2_sources(archive: Archive, folder: Path, size_bytes: int) -> list[Path]:
    """Cut four files of stored bytes out of the archive's shards."""
    shards = archive.shards(*COLD)
    data = b"".join(path.read_bytes() for path in shards[: max(1, len(shards) // 4)])[:size_bytes]
    quarter = len(data) // 4
    sources = [folder / f"data-{number}" for number in range(4)]
    for number, path in enumerate(sources):
        path.write_bytes(data[number * quarter : (number + 1) * quarter])
    return sources


if __name__ == "__main__":
    alone(measure, __doc__)
