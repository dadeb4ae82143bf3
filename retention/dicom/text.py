"""From the bytes of a value to text (PS3.5 §6.1, PS3.3 C.12.1.1.2), never failing and never warning.

Undecodable bytes become U+FFFD: text is for finding and deciding, the bytes themselves are kept elsewhere. pydicom
knows the character sets; it is loaded only for those that are not the default, Latin-1 or UTF-8, since loading it takes
longer than reading a thousand heads.
"""

from __future__ import annotations

import re

_ESCAPE = b"\x1b"
_DEFAULT = (
    "latin-1"  # as the default repertoire is ASCII, this only decides about bytes that should not be there
)
_COMMON = {
    "": _DEFAULT,
    "ISO_IR 6": _DEFAULT,
    "ISO 2022 IR 6": _DEFAULT,
    "ISO_IR 100": _DEFAULT,
    "ISO_IR 192": "utf-8",
}
_MISSPELT = re.compile(r"ISO.(2022.)?IR.(\d+)", re.IGNORECASE)
_FRAGMENT = re.compile(rb"\x1b?[^\x1b]+|\x1b")
_ENDS_CODE_EXTENSION = re.compile(rb"[\r\n\t\f\\]")
_ENDS_CODE_EXTENSION_IN_NAME = re.compile(rb"[\r\n\t\f\\^=]")
_PADDING = " \0"


class CharacterSet:
    """The character sets that one data set declares in Specific Character Set (0008,0005); None is the default one."""

    def __init__(self, declared: bytes | None = None) -> None:
        self._declared = declared or b""

    def text(self, value: bytes | None) -> str | None:
        """Return the first value of a text (LO, SH, CS …) without padding; None if it is missing or empty."""
        return self._first(value, _ENDS_CODE_EXTENSION)

    def name(self, value: bytes | None) -> str | None:
        """Return the first value of a person's name (PN), as `text` does, with all component groups that are not empty
        at its end."""
        name = self._first(value, _ENDS_CODE_EXTENSION_IN_NAME)
        return name.rstrip("= ") or None if name else None

    def _first(self, value: bytes | None, ends: re.Pattern[bytes]) -> str | None:
        if value is None:
            return None
        text = (
            value.decode("ascii") if value.isascii() and _ESCAPE not in value else self._decode(value, ends)
        )
        first = text.partition("\\")[0].strip(_PADDING)
        return first.replace("\0", "\ufffd") or None

    def _decode(self, value: bytes, ends: re.Pattern[bytes]) -> str:
        term = self._declared.decode(_DEFAULT).partition("\\")[0].strip(_PADDING)
        initial = _COMMON.get(term) or _python_encoding(term)
        if _ESCAPE not in value:
            return value.decode(initial, "replace")
        return "".join(_decode_fragment(fragment, initial, ends) for fragment in _FRAGMENT.findall(value))


def _python_encoding(term: str) -> str:
    """Return Python's name of a defined term; the default if it is none.

    Only terms of the standard are looked up: Python has codecs (punycode, unicode_escape …) that no file may choose.
    """
    from pydicom.charset import python_encoding

    misspelt = _MISSPELT.fullmatch(term)
    if misspelt:
        term = ("ISO 2022 IR " if misspelt[1] else "ISO_IR ") + misspelt[2]
    return python_encoding.get(term, _DEFAULT)


def _decode_fragment(fragment: bytes, initial: str, ends: re.Pattern[bytes]) -> str:
    """Decode bytes that hold at most one escape sequence, at their beginning (PS3.5 §6.1.2.5)."""
    from pydicom.charset import CODES_TO_ENCODINGS

    code = fragment[: 4 if fragment.startswith((b"\x1b$(", b"\x1b$)")) else 3]
    encoding = CODES_TO_ENCODINGS.get(code)
    if encoding is None:
        return fragment.decode(initial, "replace")
    if encoding.startswith("iso2022"):  # these codecs want to see the escape sequence
        return fragment.decode(encoding, "replace")
    rest = fragment[len(code) :]
    end = ends.search(rest)
    extended = end.start() if end else len(rest)
    return rest[:extended].decode(encoding, "replace") + rest[extended:].decode(initial, "replace")
