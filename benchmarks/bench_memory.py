"""Peak memory of ingest, audit and export: one study of 4 GB in many instances, one of 2 GB in a single instance.

Run: python -m benchmarks.bench_memory [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.archives import Archive
from benchmarks.children import Run
from benchmarks.figures import MB, Row, size_text
from benchmarks.files import files_below, size_of
from benchmarks.setting import Setting, alone

TARGET_BYTES = 300 * MB
DISTINCT = ("--distinct", "100")


def measure(setting: Setting) -> Iterator[Row]:
    instances, frames = setting.size(8_000, 200), setting.size(1_000, 25)
    many = setting.generated("large-study", "--instances", str(instances), *DISTINCT)
    yield from measure_study(setting, many, f"one study of {instances:,} instances")
    setting.forget("large-study")
    single = setting.generated(
        "large-instance", "--instances", "1", "--rows", "1024", "--frames", str(frames), *DISTINCT
    )
    yield from measure_study(setting, single, "one instance")
    setting.forget("large-instance")


def measure_study(setting: Setting, source: Path, what: str) -> Iterator[Row]:
    size = size_text(size_of(files_below(source)))
    with setting.folder() as folder:
        archive = Archive(folder)
        yield row(f"ingest into cold: {what}, {size}", archive.ingest(source, "cold"))
        yield row(f"audit: {what}", archive.audit())
        (study,) = archive.studies()
        yield row(f"export: {what}", archive.export(study, folder / "out"))
    with setting.folder() as folder:
        yield row(f"ingest into hot: {what}", Archive(folder).ingest(source, "hot"))


def row(work: str, done: Run) -> Row:
    ours = f"{size_text(done.peak_bytes)} in {done.seconds:.1f} s"
    return Row(f"peak memory, {work}", ours, target="300 MB", held=done.peak_bytes <= TARGET_BYTES)


if __name__ == "__main__":
    alone(measure, __doc__)
