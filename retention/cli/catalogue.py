"""The catalogue of messages: what the command line says to people, by key, in the language asked for.

Texts live in `messages/<language>.toml`, one table a command group. A key that a language lacks falls back to English;
a test holds that every key used exists in English. What is filled in comes from outside (names of files, of patients)
and cannot steer the terminal.
"""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from importlib import resources

from retention.cli.text import harmless

FALLBACK = "en"


class Messages:
    """Messages in one language."""

    def __init__(self, language: str) -> None:
        self._texts = {**_load(FALLBACK), **_load(language)}

    def say(self, key: str, /, **values: object) -> str:
        """Return the message, its `{places}` filled in."""
        return self._texts[key].format(**{name: _shown(value) for name, value in values.items()})


def _shown(value: object) -> object:
    return harmless(str(value)) if isinstance(value, str | os.PathLike) else value


@lru_cache(maxsize=4)
def _load(language: str) -> dict[str, str]:
    file = resources.files("retention.cli").joinpath("messages", f"{language}.toml")
    if not file.is_file():
        return {}
    tables = tomllib.loads(file.read_text("utf-8"))
    return {f"{table}.{name}": text for table, texts in tables.items() for name, text in texts.items()}
