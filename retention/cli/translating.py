"""Errors in the reader's language: what is raised below the command line is English, and is said here in another.

`messages/errors-<language>*.toml` have, for a text as it stands in the source (its f-string's places numbered: `{0}`),
the same text in that language; `[phrases]` what is filled into such places, and reasons that commands show. So whoever
raises an error writes one sentence and knows nothing of languages; a test walks the error tree and names every text
that is lacking, and every one that nobody says any more. An error told within another is translated too, and so is
each of several between semicolons. A text that has no translation is shown as it is.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from retention.model.errors import RetentionError, SettingsError

if TYPE_CHECKING:
    from retention.markup.text import Language

_PLACE = re.compile(r"\{(\d+)\}")
_ROLES = re.compile(r"[a-z_]+(?: or [a-z_]+)+\Z")
_FILLED = r"([a-z_]+(?: or [a-z_]+)+|.+?)"
"""What stands in a place: a list of roles as a whole, else as little as fits."""
_BETWEEN = "; "
"""Stands between several texts in one place."""
_KEPT = 4096
"""Texts whose translation is remembered: a long list gives the same few reasons again and again."""


@dataclass(frozen=True)
class _Entry:
    """A text of the source as what it can become, and the same in another language."""

    text: str
    said: str

    @cached_property
    def pieces(self) -> list[str]:
        return _PLACE.split(self.text)[::2]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(_FILLED.join(map(re.escape, self.pieces)), re.DOTALL)

    def read(self, message: str) -> list[str] | None:
        """Return what is filled in. A pattern is made when its own words are there: making all takes too long."""
        if not all(piece in message for piece in self.pieces):
            return None
        found = self._pattern.fullmatch(message)
        return None if found is None else list(found.groups())

    def filled(self, values: list[str]) -> str:
        return _PLACE.sub(lambda place: values[int(place[1])], self.said)


@lru_cache(maxsize=_KEPT)
def translated(text: str, language: str) -> str:
    """Return an error's message or hint, or a reason that a command shows, in a language, or as it is."""
    errors, everything = _load(language)
    said = _one(text, everything)
    if said is not None:
        return said
    for entry in errors:
        values = entry.read(text)
        if values is not None:
            return entry.filled([_value(value, everything) for value in values])
    return _value(text, everything)


def said_of(error: RetentionError, language: str) -> str:
    """Return an error's message in a language; what is wrong with a file is shown at its places."""
    faults = error.context.get("faults")
    if not isinstance(error, SettingsError) or not isinstance(faults, list):
        return translated(error.message, language)
    from retention.markup.faults import report
    from retention.markup.text import Text

    said = [
        replace(fault, message=Text(fault.message, translated(fault.message, language)))
        if isinstance(fault.message, str)
        else fault
        for fault in faults
    ]
    spoken: Language = "fr" if language == "fr" else "en"
    return report(str(error.context["file"]), str(error.context["source"]), said, spoken)


def _value(value: str, entries: tuple[_Entry, ...]) -> str:
    """Return what is filled in: roles, a phrase, another error, or several of these."""
    if _ROLES.match(value):
        return value.replace(" or ", " ou ")
    parts = value.split(_BETWEEN)
    for count in range(len(parts), 0, -1):
        said = _one(_BETWEEN.join(parts[:count]), entries)
        if said is not None:
            rest = parts[count:]
            return f"{said} ; {_value(_BETWEEN.join(rest), entries)}" if rest else said
    return value


def _one(text: str, entries: tuple[_Entry, ...]) -> str | None:
    """Return the translation of a text that is one, not several: no place of it holds a semicolon."""
    for entry in entries:
        values = entry.read(text)
        if values is not None and not any(_BETWEEN in value for value in values):
            return entry.filled([_value(value, entries) for value in values])
    return None


@lru_cache(maxsize=4)
def _load(language: str) -> tuple[tuple[_Entry, ...], tuple[_Entry, ...]]:
    """The errors, and all that can stand inside one."""
    tables = tables_of(language)
    return _entries(tables["errors"]), _entries(tables["errors"] | tables["phrases"])


def tables_of(language: str) -> dict[str, dict[str, str]]:
    """Return the tables `errors` and `phrases` of a language, empty for one that has none."""
    tables: dict[str, dict[str, str]] = {"errors": {}, "phrases": {}}
    for file in resources.files("retention.cli").joinpath("messages").iterdir():
        if re.fullmatch(rf"errors-{re.escape(language)}(-[a-z]+)?\.toml", file.name):
            for name, table in tomllib.loads(file.read_text("utf-8")).items():
                tables[name] |= table
    return tables


def _entries(table: dict[str, str]) -> tuple[_Entry, ...]:
    """Those that begin with words of their own, then those with the most: they say more exactly what was meant."""
    entries = [_Entry(text, said) for text, said in table.items()]
    return tuple(sorted(entries, key=lambda entry: (not entry.pieces[0], -sum(map(len, entry.pieces)))))
