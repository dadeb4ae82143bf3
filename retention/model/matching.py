"""Attribute matching as DICOM queries mean it (PS3.4 C.2.2.2): one value, a list of UIDs, wild cards, a range.

Pure, and the same for every door. A key without a value matches everything, and what has no value matches nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """How the values of an attribute are compared."""

    TEXT = auto()
    NAME = auto()
    UID = auto()
    DATE = auto()
    TIME = auto()


@dataclass(frozen=True, slots=True)
class Match:
    """What a key asks for. `exact` are the values it can have, if that is all it says; `span` is a range of dates."""

    kind: Kind
    pattern: re.Pattern[str] | None = None
    exact: tuple[str, ...] = ()
    span: tuple[str, str] | None = None

    def accepts(self, value: str | None) -> bool:
        """Whether a value matches."""
        if value is None:
            return False
        if self.span is not None:
            first, last = self.span
            return first <= value[: len(first)] and (not last or value[: len(last)] <= last)
        if self.pattern is not None:
            return self.pattern.fullmatch(value.strip()) is not None
        return value.strip() in self.exact


def match_of(kind: Kind, text: str) -> Match | None:
    """Return what a key's text asks for, None if everything matches it."""
    text = text.strip("\0 ")
    if not text or (kind in (Kind.TEXT, Kind.NAME) and not text.strip("*")):
        return None
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
