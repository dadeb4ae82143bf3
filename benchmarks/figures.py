"""Two sides measured in turn, and the rows of the table that come of it."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.children import Run

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `held` is None where the target is only to measure."""

    work: str
    ours: str
    against: str = ""
    theirs: str = ""
    ratio: float | None = None
    target: str = ""
    held: bool | None = None

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}×"
        verdict = "" if self.held is None else "yes" if self.held else "**no**"
        return self.work, self.ours, self.against, self.theirs, ratio, self.target, verdict


HEADINGS = ("work", "retention", "against", "it", "ratio", "target", "held")


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same work by both, one after the other, several times. The ratio is the median of each round's ratio."""

    ours: Sequence[Run]
    theirs: Sequence[Run]

    @property
    def ratio(self) -> float:
        """How many times as quick ours is."""
        return statistics.median(b.seconds / a.seconds for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def cpu_ratio(self) -> float:
        """How many times less processor time ours takes: what is left of the ratio on a machine with other work."""
        return statistics.median(b.cpu_s / a.cpu_s for a, b in zip(self.ours, self.theirs, strict=True))

    def row(
        self, work: str, size_bytes: int, against: str, target: float | None, startup: tuple[float, float]
    ) -> Row:
        """Return the row of a rate. `startup` is what of each side's seconds is only starting."""
        return Row(
            f"{work} (processor time: {self.cpu_ratio:.2f}×)",
            rate(self.ours, size_bytes, startup[0]),
            against,
            rate(self.theirs, size_bytes, startup[1]),
            self.ratio,
            "measured" if target is None else f"{target:g}×",
            None if target is None else self.ratio >= target,
        )


def compare(rounds: int, ours: Callable[[], Run], theirs: Callable[[], Run]) -> Comparison:
    return compare_each(rounds, {"": ours}, theirs)[""]


def compare_each(
    rounds: int, ours: Mapping[str, Callable[[], Run]], theirs: Callable[[], Run]
) -> dict[str, Comparison]:
    """Do each of ours and theirs once a round. Nobody pays for what another left to be written."""
    done: dict[str, list[Run]] = {name: [] for name in ours}
    peer = []
    for _ in range(rounds):
        for name, work in ours.items():
            os.sync()
            done[name].append(work())
        os.sync()
        peer.append(theirs())
    return {name: Comparison(runs, peer) for name, runs in done.items()}


def median_s(runs: Sequence[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def rate(runs: Sequence[Run], size_bytes: int, startup_s: float) -> str:
    """Return the median as MB/s, seconds, and the part of them that is starting."""
    seconds, cpu_s = median_s(runs), statistics.median(run.cpu_s for run in runs)
    return f"{size_bytes / seconds / MB:,.0f} MB/s ({seconds:.2f} s; start {startup_s:.2f}; processor {cpu_s:.2f})"


def size_text(size_bytes: float) -> str:
    return f"{size_bytes / MB:,.1f} MB"
