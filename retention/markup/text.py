"""One sentence in the languages of the archive.

A sentence is made where its reason is known and spoken where its reader is known, often far apart and after the fact
(a certificate written in French about an English decision); so it travels in both languages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "fr"]


@dataclass(frozen=True, slots=True)
class Text:
    """The same sentence in English and in French."""

    en: str
    fr: str

    def __str__(self) -> str:
        return self.en

    def format(self, **values: object) -> Text:
        """Fill the named places of both; a value that is a Text itself appears in the language around it."""
        return Text(
            self.en.format(**{name: say(value, "en") for name, value in values.items()}),
            self.fr.format(**{name: say(value, "fr") for name, value in values.items()}),
        )


def say(what: object, language: Language) -> str:
    """Return `what` in `language`; what is not a Text is the same in every language."""
    if isinstance(what, Text):
        return what.fr if language == "fr" else what.en
    return str(what)


def join(parts: list[Text], separator: str = " ") -> Text:
    """Return the sentences one after the other."""
    return Text(separator.join(part.en for part in parts), separator.join(part.fr for part in parts))


def short(text: object, characters: int = 60) -> str:
    """Return what somebody wrote, cut where it is too long to be repeated in a sentence."""
    written = str(text)
    return written if len(written) <= characters else f"{written[: characters - 1]}…"
