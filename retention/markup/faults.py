"""What is wrong in a text, shown so that a person can put it right: file, line, column, caret, did-you-mean.

All faults of a file are collected and shown together: correcting one never uncovers another of the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retention.markup.text import Language, Text, say

_SHOWN = 100
_LINE_CHARACTERS = 160
_COMPARED_CHARACTERS = 100
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]+)@")
_DID_YOU_MEAN = Text("; did you mean `{}`?", " ; vouliez-vous dire `{}` ?")
_MORE = Text("… and {} more", "… et {} de plus")
_COUNT = Text("{name} has {count}:", "{name} : {count} :")
_ONE = Text("1 fault", "1 erreur")
_MANY = Text("{} faults", "{} erreurs")


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake. `line` and `column` count from 1; `length` is how many characters the caret underlines.

    `where` is the path of keys (`tiers.cold.packing`), empty when the text cannot be read as YAML at all.
    """

    line: int
    column: int
    message: str | Text
    where: str = ""
    suggestion: str | None = None
    length: int = 1

    def __str__(self) -> str:
        return self.sentence("en")

    def sentence(self, language: Language) -> str:
        """Return what is wrong in one sentence, without the place."""
        guess = say(_DID_YOU_MEAN, language).format(self.suggestion) if self.suggestion else ""
        return f"{say(self.message, language)}{guess}"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, or None if none is near."""
    from difflib import get_close_matches

    by_folded = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(word.casefold()[:_COMPARED_CHARACTERS], by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Return the faults in the order of the file."""
    return sorted(faults, key=lambda fault: (fault.line, fault.column))


def report(file_name: str, text: str, faults: Sequence[Fault], language: Language = "en") -> str:
    """Return a heading with the number of faults, and every fault at its place."""
    count = say(_ONE, language) if len(faults) == 1 else say(_MANY, language).format(len(faults))
    heading = say(_COUNT, language).format(name=file_name, count=count)
    return f"{heading}\n{render(file_name, text, in_order(faults), language)}"


def render(file_name: str, text: str, faults: Sequence[Fault], language: Language = "en") -> str:
    """Return every fault as `file:line:column: what`, each with its line and a caret below the place.

    A password in an address is shown as stars: these lines end in logs and tickets.
    """
    lines = text.splitlines()
    shown = [_render_one(file_name, lines, fault, language) for fault in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        shown.append(say(_MORE, language).format(len(faults) - _SHOWN))
    return _PASSWORD.sub(lambda found: f"{found[1]}:{'*' * len(found[2])}@", "\n".join(shown))


def _render_one(file_name: str, lines: Sequence[str], fault: Fault, language: Language) -> str:
    head = f"{file_name}:{fault.line}:{fault.column}: {fault.sentence(language)}"
    if fault.line > len(lines):
        return head
    line = lines[fault.line - 1].replace("\t", " ")
    start = max(0, fault.column - _LINE_CHARACTERS // 2) if len(line) > _LINE_CHARACTERS else 0
    window = line[start : start + _LINE_CHARACTERS]
    caret_at = fault.column - 1 - start
    carets = "^" * max(1, min(fault.length, len(window) - caret_at))
    margin = f"{fault.line:>5} | "
    return f"{head}\n{margin}{window}\n{' ' * (len(margin) - 2)}| {' ' * caret_at}{carets}"
