"""A million studies under a policy: putting a version in force, asking what another would change.

Run: python -m benchmarks.bench_dated [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.archives import INSTITUTION, Archive, data_of
from benchmarks.children import PROJECT, Run, run_module
from benchmarks.figures import Row
from benchmarks.setting import Setting, alone

STUDIES = 1_000_000
TARGET_S = 120
NAME = "generic-20-years"


def measure(setting: Setting) -> Iterator[Row]:
    studies = setting.size(STUDIES, 2_000)
    first = PROJECT / "policies" / f"{NAME}.yaml"
    with setting.folder() as folder:
        archive = Archive(folder)
        longer = _version(folder, first, 2, "P30Y")
        shorter = _version(folder, first, 3, "P10Y")
        data_of(archive.call("policy", "apply", first))
        data_of(archive.call("institution", "add", INSTITUTION, "--policy", NAME))
        run_module("benchmarks.dated", archive.root, "--studies", str(studies))
        yield _row(f"decide about {studies:,} studies that came in", archive.call("policy", "apply", first))
        diff = archive.call("policy", "diff", shorter)
        assert data_of(diff)["studies"] == studies
        yield _row(f"`policy diff` over {studies:,} studies", diff)
        apply = archive.call("policy", "apply", longer)
        yield _row(f"`policy apply` of a new version to {studies:,} studies", apply)


def _row(work: str, run: Run) -> Row:
    ours = f"{run.seconds:.0f} s (processor {run.cpu_s:.0f} s, {run.peak_bytes / 1e6:.0f} MB)"
    return Row(work, ours, target=f"{TARGET_S} s", held=run.seconds <= TARGET_S)


def _version(folder: Path, first: Path, version: int, keep: str) -> Path:
    """Write another version of a policy, without its examples: they speak of the first."""
    text = (
        first.read_text().replace("version: 1", f"version: {version}").replace("keep: P20Y", f"keep: {keep}")
    )
    path = folder / f"{NAME}-{version}.yaml"
    path.write_text(text.partition("examples:")[0])
    return path


if __name__ == "__main__":
    alone(measure, __doc__)
