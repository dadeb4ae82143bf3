"""Every benchmark in one run, and the table of them in docs/benchmarks.md.

Run: python -m benchmarks [--corpus DIR] [--essential | --only ingest,audit] [--quick] [--out FILE]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    bench_audit,
    bench_audits,
    bench_dated,
    bench_export,
    bench_held,
    bench_ingest,
    bench_journal,
    bench_lifecycle,
    bench_memory,
    bench_rebuild,
    bench_repair,
    bench_s3,
    bench_small,
    bench_startup,
    bench_store,
    bench_web,
)
from benchmarks.children import PROJECT, run_module
from benchmarks.figures import Row, table
from benchmarks.machine import description
from benchmarks.setting import Setting, arguments, setting_of

PROGRAMS: dict[str, tuple[str, Callable[[Setting], Iterable[Row]]]] = {
    "ingest": ("Ingest, and what is stored", bench_ingest.measure),
    "audit": ("Audit", bench_audit.measure),
    "audits": ("Planning audits", bench_audits.measure),
    "repair": ("Repair", bench_repair.measure),
    "export": ("Export", bench_export.measure),
    "small": ("Small studies", bench_small.measure),
    "lifecycle": ("Moves between tiers", bench_lifecycle.measure),
    "memory": ("Memory", bench_memory.measure),
    "held": ("What an instance costs when many are held", bench_held.measure),
    "rebuild": ("Rebuilding the catalog", bench_rebuild.measure),
    "journal": ("The journal", bench_journal.measure),
    "s3": ("Upload to S3", bench_s3.measure),
    "dated": ("Policies over a million studies", bench_dated.measure),
    "store": ("Receiving by C-STORE", bench_store.measure),
    "web": ("DICOMweb", bench_web.measure),
    "startup": ("Starting", bench_startup.measure),
}
POLICY = "policy"
TITLES = {name: title for name, (title, _) in PROGRAMS.items()} | {POLICY: "Decisions of policies"}
ESSENTIAL = ("ingest", "audit", "repair", "export", "small", "startup")
_MARK = "<!-- below: written by `make bench` -->\n"
_HEADING = "## "


def main() -> int:
    parser = arguments(__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", help=f"some of {', '.join(TITLES)}, separated by commas")
    which.add_argument("--essential", action="store_true", help=f"only {', '.join(ESSENTIAL)}: some minutes")
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "benchmarks.md")
    given = parser.parse_args()
    chosen = ESSENTIAL if given.essential else given.only.split(",") if given.only else list(TITLES)
    unknown = set(chosen) - set(TITLES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    failed = []
    with setting_of(given) as setting:
        page = Page(given.out)
        page.introduction = f"Of the machine that measured last:\n\n{description(setting.scratch)}"
        for name in chosen:
            started_s = time.perf_counter()
            print(f"{TITLES[name]} …", file=sys.stderr, flush=True)
            how = _how(setting)
            try:
                text = _policy(setting) if name == POLICY else table(list(PROGRAMS[name][1](setting)))
            except (RuntimeError, AssertionError, OSError) as error:
                failed.append(name)
                print(f"  failed: {error}", file=sys.stderr)
                continue
            print(f"{text}  {time.perf_counter() - started_s:.0f} s", file=sys.stderr, flush=True)
            page.put(TITLES[name], f"{how}\n\n{text}")
    print(
        f"Written to {given.out.name}." + (f" Failed: {', '.join(failed)}." if failed else ""),
        file=sys.stderr,
    )
    return 1 if failed else 0


def _how(setting: Setting) -> str:
    """Return when, on what and beside what else a program ran. Other work on the machine spoils every figure."""
    corpus = "2 GB of generated CT" if setting.corpus is None else "studies given on the command line"
    quick = "**Quick sizes: these figures say nothing about speed.** " if setting.is_quick else ""
    others = os.getloadavg()[0]
    return (
        f"{quick}{datetime.now(UTC):%-d %B %Y}, medians of {setting.rounds}, both sides in turn; {corpus};\n"
        f"{others:.1f} processes at work, on average over the minute before."
    )


class Page:
    """docs/benchmarks.md: what people wrote above the mark, and below it one section a program, each written as soon
    as it is measured: what was not measured this time stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = path.read_text() if path.exists() else "# How fast, how big\n\n"
        self._above, _, measured = text.partition(_MARK)
        self._sections: dict[str, str] = {}
        for section in measured.split(f"\n{_HEADING}")[1:]:
            title, _, body = section.partition("\n")
            self._sections[title] = body.strip("\n") + "\n"
        self.introduction = ""

    def put(self, title: str, body: str) -> None:
        self._sections[title] = body
        known = [each for each in TITLES.values() if each in self._sections]
        sections = (f"{_HEADING}{each}\n\n{self._sections[each]}" for each in known)
        self._path.write_text(self._above + _MARK + "\n" + "\n".join([self.introduction, *sections]))


def _policy(setting: Setting) -> str:
    decisions = str(setting.size(100_000, 2_000))
    return run_module("benchmarks.bench_policy", "--decisions", decisions).output


if __name__ == "__main__":
    sys.exit(main())
