"""What is wrong in a YAML file, shown so that a person can put it right: file, line, column, caret, did-you-mean.

All faults of a file are collected and shown together: correcting one never uncovers another of the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retention.model.errors import SettingsError

_SHOWN = 50
_LINE_CHARACTERS = 160
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]+)@")


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake. `line` and `column` count from 1; `length` is how many characters the caret underlines.

    `where` is the path of keys (`tiers.cold.packing`), empty when the text cannot be read as YAML at all.
    """

    line: int
    column: int
    message: str
    where: str = ""
    suggestion: str | None = None
    length: int = 1

    def __str__(self) -> str:
        """Return what is wrong in one sentence, without the place."""
        guess = f"; did you mean `{self.suggestion}`?" if self.suggestion else ""
        return f"{self.message}{guess}"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, or None if none is near."""
    from difflib import get_close_matches

    by_folded = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def render(file_name: str, text: str, faults: Sequence[Fault]) -> str:
    """Return every fault as `file:line:column: what`, each with its line and a caret below the place.

    A password in an address is shown as stars: these lines end in logs and tickets.
    """
    lines = text.splitlines()
    shown = [_render_one(file_name, lines, fault) for fault in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        shown.append(f"… and {len(faults) - _SHOWN} more")
    return _PASSWORD.sub(lambda found: f"{found[1]}:{'*' * len(found[2])}@", "\n".join(shown))


def settings_error(file_name: str, text: str, faults: Sequence[Fault]) -> SettingsError:
    """Return the one error that shows all `faults`, in the order of the file."""
    ordered = sorted(faults, key=lambda fault: (fault.line, fault.column))
    count = "1 fault" if len(ordered) == 1 else f"{len(ordered)} faults"
    return SettingsError(
        f"{file_name} has {count}:\n{render(file_name, text, ordered)}",
        hint="correct the file, then run the command again",
        file=file_name,
        faults=ordered,
    )


def _render_one(file_name: str, lines: Sequence[str], fault: Fault) -> str:
    head = f"{file_name}:{fault.line}:{fault.column}: {fault}"
    if fault.line > len(lines):
        return head
    line = lines[fault.line - 1].replace("\t", " ")
    start = max(0, fault.column - _LINE_CHARACTERS // 2) if len(line) > _LINE_CHARACTERS else 0
    window = line[start : start + _LINE_CHARACTERS]
    caret_at = fault.column - 1 - start
    carets = "^" * max(1, min(fault.length, len(window) - caret_at))
    margin = f"{fault.line:>5} | "
    return f"{head}\n{margin}{window}\n{' ' * (len(margin) - 2)}| {' ' * caret_at}{carets}"
