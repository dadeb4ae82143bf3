"""Receiving by C-STORE: 1, 8 and 60 associations at once, each instance on two volumes and synced before success.

Against Orthanc with its default durability, as quick as its settings make it, and a bare receiver that syncs nothing.
The same clients and the same tuning for all, each side started anew for every round.

Run: python -m benchmarks.bench_store [--quick]
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks import receivers
from benchmarks.figures import MB, Row
from benchmarks.files import files_below, size_of
from benchmarks.receivers import Door, store
from benchmarks.setting import Setting, alone

INSTANCES = 600
FIRST = 100
"""So many of them for one association alone."""

GOAL_MB_S = 109
Side = Callable[[Path], AbstractContextManager[Door]]
SIDES: dict[str, Side] = {"ours": receivers.ours, "Orthanc": receivers.orthanc, "bare": receivers.bare}
TARGETS = {"Orthanc": 1.0, "bare": 0.9}
NAMES = {"Orthanc": "Orthanc, tuned", "bare": "bare pynetdicom, unsynced"}


def measure(setting: Setting) -> Iterator[Row]:
    count = str(setting.size(INSTANCES, 60))
    files = files_below(setting.generated("store", "--instances", count, "--studies", "20"))
    for at_once in (1, 8, 60):
        sent = files[: setting.size(FIRST, 10)] if at_once == 1 else files
        yield from _rows(setting, at_once, sent)
    setting.forget("store")


def _rows(setting: Setting, at_once: int, files: list[Path]) -> Iterator[Row]:
    shares = [files[number::at_once] for number in range(at_once)]
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(setting.rounds):
        for name, side in SIDES.items():
            with setting.folder() as folder, side(folder) as door:
                seconds[name].append(store(door, shares))
    size_bytes = size_of(files)
    for name, target in TARGETS.items():
        pairs = zip(seconds["ours"], seconds[name], strict=True)
        ratio = statistics.median(theirs / mine for mine, theirs in pairs)
        yield Row(
            f"C-STORE, {at_once} at once ({len(files)} CT, {size_bytes / MB:.0f} MB)",
            _rate(seconds["ours"], size_bytes),
            NAMES[name],
            _rate(seconds[name], size_bytes),
            ratio,
            f"{target:g}×",
            ratio >= target,
        )


def _rate(seconds: list[float], size_bytes: int) -> str:
    return f"{size_bytes / statistics.median(seconds) / MB:,.0f} MB/s (best {size_bytes / min(seconds) / MB:,.0f})"


if __name__ == "__main__":
    alone(measure, __doc__)
