"""Small studies: 5,000 of one 100 KB instance each, where files, syncs and rows cost more than bytes.

Run: python -m benchmarks.bench_small [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench_ingest import measure_folder
from benchmarks.figures import Row
from benchmarks.setting import Setting, alone

ROWS = 224  # × 224 samples of 2 bytes: 100 KB


def measure(setting: Setting) -> Iterator[Row]:
    count = setting.size(5_000, 100)
    studies = str(count)
    source = setting.generated("small", "--instances", studies, "--studies", studies, "--rows", str(ROWS))
    targets = {"hot": 1.0, "cold": None}
    yield from measure_folder(setting, source, f"{count:,} studies of 100 KB", targets)
    setting.forget("small")


if __name__ == "__main__":
    alone(measure, __doc__)
