"""Text for people: sizes, tables, colours, and nothing that could steer the terminal.

Names of files, patients and studies come from outside: control characters in them are shown, never sent.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TextIO

WIDTHS_FROM_ROWS = 500
"""Columns are as wide as the first rows need, so that a list of any length streams."""

_STEERING = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_RED, _GREEN, _YELLOW, _BOLD = "31", "32", "33", "1"
_TONES = {
    **dict.fromkeys(("sound", "ready", "ok", "repaired"), _GREEN),
    **dict.fromkeys(("degraded", "warning", "unplaced", "suspect", "read-only"), _YELLOW),
    **dict.fromkeys(("damaged", "lost", "failed", "missing", "corrupt", "misplaced", "unreadable"), _RED),
    **dict.fromkeys(("emptied", "unmounted", "wrong", "extra"), _RED),
}


def has_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours, and nobody has declined them (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def toned(word: str, shown: str | None = None) -> str:
    """Colour a word by what it means (`sound`, `lost` …), where stdout shows colours."""
    shown = word if shown is None else shown
    code = _TONES.get(word.strip())
    return _painted(shown, code) if code and has_colour(sys.stdout) else shown


def strong(text: str) -> str:
    """Make a heading stand out, where stdout shows colours."""
    return _painted(text, _BOLD) if has_colour(sys.stdout) else text


def alarming(text: str) -> str:
    """Colour what went wrong, where stderr shows colours."""
    return _painted(text, _RED) if has_colour(sys.stderr) else text


def _painted(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def harmless(text: str) -> str:
    r"""Return the text with characters that steer a terminal written out: `\x1b`, `\udcff`."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def size_text(size_bytes: int) -> str:
    """Write a number of bytes for people: `3.2 MB`."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def rate_text(size_bytes: int, seconds: float) -> str:
    """Write a speed for people: `120.0 MB/s`."""
    return f"{size_text(int(size_bytes / max(seconds, 1e-6)))}/s"


def table_lines(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lay out rows in columns; words with a meaning are coloured."""
    pending = iter(rows)
    first = [[harmless(cell) for cell in row] for row in islice(pending, WIDTHS_FROM_ROWS)]
    widths = [max(map(len, column)) for column in zip(headings, *first, strict=True)]
    yield strong(_laid_out(headings, widths).rstrip())
    yield "  ".join("-" * width for width in widths)
    for row in chain(first, ([harmless(cell) for cell in row] for row in pending)):
        yield _laid_out([toned(cell, _padded(cell, width)) for cell, width in zip(row, widths, strict=True)])


def _laid_out(cells: Sequence[str], widths: Sequence[int] | None = None) -> str:
    padded = (
        cells if widths is None else [_padded(cell, width) for cell, width in zip(cells, widths, strict=True)]
    )
    return "  ".join(padded).rstrip()


def _padded(cell: str, width: int) -> str:
    return cell.ljust(width)
