"""Canonical JSON: one value, one text. What is hashed, signed or compared is written this way.

RFC 8785, restricted so that it needs no floating point: strings, whole numbers that every JSON reader keeps exactly,
booleans, null, lists, and objects whose keys are printable ASCII (so that sorting by code point is sorting by UTF-16
code unit). docs/journal.md §2. Both directions refuse anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

JsonValue = str | int | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1


def _as_dict(value: object) -> dict[object, object]:
    """Give the encoder a mapping in the type it knows; `_refuse` has let nothing else come here."""
    return dict(value) if isinstance(value, Mapping) else {}


_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_as_dict
).encode


def canonical_json(value: JsonValue) -> bytes:
    """Return the one UTF-8 text of `value` (RFC 8785).

    Raises ValueError for what the restricted form has no text for: other types, large numbers, unpaired surrogates,
    keys beyond printable ASCII, more than `MAX_DEPTH` levels.
    """
    _refuse(value, 1)
    return _encode(value).encode()


def parse_json(text: bytes) -> JsonValue:
    """Return the value of any JSON text, also one that is not canonical. Raises ValueError."""
    try:
        value: JsonValue = json.loads(text.decode())  # spares finding out which of the Unicodes it is
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    return value


def parse_canonical(text: bytes) -> JsonValue:
    """Return the value of a text that must be canonical, byte for byte. Raises ValueError."""
    value = parse_json(text)
    if canonical_json(value) != text:
        raise ValueError("JSON is not in canonical form")
    return value


def _refuse(value: object, depth: int) -> None:
    """Raise ValueError for what has no canonical text. Plain texts, the most frequent, cost nothing."""
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError(f"canonical JSON keeps whole numbers up to 2^53-1, not {value}")
        return
    if depth > MAX_DEPTH:
        raise ValueError(f"canonical JSON has at most {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        for key, member in value.items():
            if not isinstance(key, str) or not (key.isascii() and key.isprintable()):
                raise ValueError(f"canonical JSON has keys of printable ASCII, not {key!r}")
            if type(member) is not str:
                _refuse(member, depth + 1)
        return
    if isinstance(value, list | tuple):
        for member in value:
            _refuse(member, depth + 1)
        return
    raise ValueError(f"canonical JSON has no text for a {type(value).__name__}")
