"""Every benchmark in one run, and the table of them in docs/benchmarks.md.

Run: python -m benchmarks [--corpus DIR] [--only ingest,audit] [--quick] [--out FILE]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    bench_audit,
    bench_export,
    bench_held,
    bench_ingest,
    bench_memory,
    bench_rebuild,
    bench_repair,
    bench_small,
    bench_startup,
)
from benchmarks.children import PROJECT, run_module
from benchmarks.figures import Row, table
from benchmarks.machine import description
from benchmarks.setting import Setting, arguments, setting_of

PROGRAMS: dict[str, tuple[str, Callable[[Setting], Iterable[Row]]]] = {
    "ingest": ("Ingest, and what is stored", bench_ingest.measure),
    "audit": ("Audit", bench_audit.measure),
    "repair": ("Repair", bench_repair.measure),
    "export": ("Export", bench_export.measure),
    "small": ("Small studies", bench_small.measure),
    "memory": ("Memory", bench_memory.measure),
    "held": ("What an instance costs when many are held", bench_held.measure),
    "rebuild": ("Rebuilding the catalog", bench_rebuild.measure),
    "startup": ("Starting", bench_startup.measure),
}
POLICY = "policy"
_MARK = "<!-- below: written by `make bench` -->\n"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--only", help=f"some of {', '.join([*PROGRAMS, POLICY])}, separated by commas")
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "benchmarks.md")
    given = parser.parse_args()
    chosen = given.only.split(",") if given.only else [*PROGRAMS, POLICY]
    unknown = set(chosen) - {*PROGRAMS, POLICY}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    failed = []
    with setting_of(given) as setting:
        parts = [_introduction(setting)]
        for name in chosen:
            started_s = time.perf_counter()
            title = PROGRAMS[name][0] if name in PROGRAMS else "Decisions of policies"
            print(f"{title} …", file=sys.stderr, flush=True)
            try:
                text = _policy(setting) if name == POLICY else table(list(PROGRAMS[name][1](setting)))
            except (RuntimeError, AssertionError, OSError) as error:
                failed.append(name)
                text = f"Not measured: {type(error).__name__}.\n"
                print(f"  failed: {error}", file=sys.stderr)
            print(f"{text}  {time.perf_counter() - started_s:.0f} s", file=sys.stderr, flush=True)
            parts.append(f"## {title}\n\n{text}")
    _write(given.out, "\n".join(parts))
    print(f"Written to {given.out.name}.", file=sys.stderr)
    return 1 if failed else 0


def _introduction(setting: Setting) -> str:
    corpus = "2 GB of generated CT" if setting.corpus is None else "studies given on the command line"
    quick = " **Quick sizes: these figures say nothing about speed.**" if setting.is_quick else ""
    how = f"Measured on {datetime.now(UTC):%-d %B %Y}, medians of {setting.rounds}, both sides in turn"
    return f"{how}; {corpus}.{quick}\n\n{description(setting.scratch)}"


def _policy(setting: Setting) -> str:
    decisions = str(setting.size(100_000, 2_000))
    return run_module("benchmarks.bench_policy", "--decisions", decisions).output


def _write(path: Path, measured: str) -> None:
    """Replace what was measured; what people wrote above the mark stays."""
    written = path.read_text() if path.exists() else "# How fast, how big\n\n"
    path.write_text(written.partition(_MARK)[0] + _MARK + "\n" + measured)


if __name__ == "__main__":
    sys.exit(main())
