"""Errors in the reader's language: what is raised below the command line is English, and is said here in another.

`messages/errors-<language>.toml` has, for a text as it stands in the source (its f-string's places numbered: `{0}`),
the same text in that language; `[phrases]` what is filled into such places. So whoever raises an error writes one
sentence and knows nothing of languages; a test walks the error tree and names every text that is lacking, and every
one that nobody raises any more. A text that has no translation is shown as it is.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

_PLACE = re.compile(r"\{(\d+)\}")
_ROLES = re.compile(r"[a-z_]+(?: or [a-z_]+)+\Z")
_FILLED = r"([a-z_]+(?: or [a-z_]+)+|.+?)"
"""What stands in a place: a list of roles as a whole, else as little as fits."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A text of the source as what it can become, and the same in another language."""

    pattern: re.Pattern[str]
    text: str
    said: str

    def read(self, message: str) -> list[str] | None:
        found = self.pattern.fullmatch(message)
        return None if found is None else list(found.groups())


def translated(text: str, language: str) -> str:
    """Return an error's message or hint in a language, or as it is."""
    entries, phrases = _load(language)
    return _said(text, entries, phrases) or text


def _said(text: str, entries: tuple[_Entry, ...], phrases: tuple[_Entry, ...]) -> str | None:
    for entry in entries:
        values = entry.read(text)
        if values is not None:
            return _filled(entry.said, [_value(value, phrases) for value in values])
    return None


def _filled(text: str, values: list[str]) -> str:
    return _PLACE.sub(lambda place: values[int(place[1])], text)


def _value(value: str, phrases: tuple[_Entry, ...]) -> str:
    if _ROLES.match(value):
        return value.replace(" or ", " ou ")
    return _said(value, phrases, phrases) or value


@lru_cache(maxsize=4)
def _load(language: str) -> tuple[tuple[_Entry, ...], tuple[_Entry, ...]]:
    tables = tables_of(language)
    return _entries(tables.get("errors", {})), _entries(tables.get("phrases", {}))


def tables_of(language: str) -> dict[str, dict[str, str]]:
    """Return the tables `errors` and `phrases` of a language, empty for one that has none."""
    file = resources.files("retention.cli").joinpath("messages", f"errors-{language}.toml")
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


def _entries(table: dict[str, str]) -> tuple[_Entry, ...]:
    """The text with the most of its own comes first: it says more exactly what was meant."""
    ordered = sorted(table, key=lambda text: len(_PLACE.sub("", text)), reverse=True)
    return tuple(_Entry(_pattern(text), text, table[text]) for text in ordered)


def _pattern(text: str) -> re.Pattern[str]:
    pieces = _PLACE.split(text)
    return re.compile(_FILLED.join(map(re.escape, pieces[::2])), re.DOTALL)
