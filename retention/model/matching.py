"""Attribute matching as DICOM queries mean it (PS3.4 C.2.2.2): one value, a list of UIDs, wild cards, a range.

Pure, and the same for every door. A key without a value matches everything, and what has no value matches nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

FUZZY_FROM = 4
"""Letters of a word from which on one may be wrong: in shorter ones everything is like everything."""


class Kind(Enum):
    """How the values of an attribute are compared."""

    TEXT = auto()
    NAME = auto()
    UID = auto()
    DATE = auto()
    TIME = auto()


@dataclass(frozen=True, slots=True)
class Match:
    """What a key asks for. `exact` are the values it can have, if that is all it says; `span` is a range of dates.

    `words` are those of a name that may be spelt otherwise.
    """

    kind: Kind
    pattern: re.Pattern[str] | None = None
    exact: tuple[str, ...] = ()
    span: tuple[str, str] | None = None
    words: tuple[str, ...] = ()

    def accepts(self, value: str | None) -> bool:
        """Whether a value matches."""
        if value is None:
            return False
        if self.span is not None:
            first, last = self.span
            return first <= value[: len(first)] and (not last or value[: len(last)] <= last)
        if self.words:
            found = _words(value)
            return all(any(_is_like(asked, word) for word in found) for asked in self.words)
        if self.pattern is not None:
            return self.pattern.fullmatch(value.strip()) is not None
        return value.strip() in self.exact


def match_of(kind: Kind, text: str, *, is_fuzzy: bool = False) -> Match | None:
    """Return what a key's text asks for, None if everything matches it.

    `is_fuzzy` names are found by the beginnings of their words, in any order, without case and accents, and with one
    letter wrong, missing, too many or exchanged with its neighbour in words of four letters and more (PS3.4 C.2.2.2.1.1
    leaves the rule to the archive).
    """
    text = text.strip("\0 ")
    if not text or (kind in (Kind.TEXT, Kind.NAME) and not text.strip("*")):
        return None
    if kind is Kind.NAME and is_fuzzy and _words(text):
        return Match(kind, words=_words(text))
    if kind is Kind.UID:
        return Match(kind, exact=tuple(uid.strip("\0 ") for uid in text.split("\\")))
    if kind in (Kind.DATE, Kind.TIME):
        text = text.replace(":", "").replace(".", "") if kind is Kind.DATE else text.replace(":", "")
        first, hyphen, last = text.partition("-")
        return Match(kind, span=(first.strip(), last.strip() if hyphen else first.strip()))
    if kind is Kind.NAME or "*" in text or "?" in text:
        return Match(kind, pattern=_wild(text, is_name=kind is Kind.NAME))
    return Match(kind, exact=(text,))


def _wild(text: str, *, is_name: bool) -> re.Pattern[str]:
    """Return the pattern of a text with wild cards. Names are compared without case, trailing carets or not."""
    if is_name:
        text = text.rstrip("^")
    parts = (
        ".*" if each == "*" else "." if each == "?" else re.escape(each) for each in re.split(r"([*?])", text)
    )
    end = r"\^*" if is_name else ""
    return re.compile("".join(parts) + end, re.DOTALL | (re.IGNORECASE if is_name else 0))


def all_accept(matches: Mapping[str, Match], values: Mapping[str, str | None]) -> bool:
    """Whether every key that is among the values accepts its value."""
    return all(match.accepts(values[name]) for name, match in matches.items() if name in values)


def _words(name: str) -> tuple[str, ...]:
    """Return a name's words in small letters, without accents."""
    decomposed = unicodedata.normalize("NFKD", name)
    left_out = "'’`"  # O'Brien is OBRIEN to most who write it
    letters = (each for each in decomposed if not unicodedata.combining(each) and each not in left_out)
    plain = "".join(letters).casefold()
    return tuple(filter(None, re.split(r"[\W_]+", plain)))


def _is_like(asked: str, word: str) -> bool:
    return word.startswith(asked) or (len(asked) >= FUZZY_FROM and _is_one_edit(asked, word))


def _is_one_edit(left: str, right: str) -> bool:
    """Whether one letter replaced, left out, added or exchanged with its neighbour makes one of the other."""
    if abs(len(left) - len(right)) > 1:
        return False
    same = next(
        (place for place, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None
    )
    if same is None:
        return True
    rest, other = left[same:], right[same:]
    exchanged = rest[:2] == other[1::-1] and rest[2:] == other[2:]
    return exchanged or rest[1:] == other[1:] or rest == other[1:] or rest[1:] == other
