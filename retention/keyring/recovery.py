"""The recovery key: 32 bytes as people write them down and type them in again, years later (docs/journal.md §4.5).

Every group of five characters checks itself, so a mistake is reported with the group it is in.
"""

from __future__ import annotations

from blake3 import blake3

from retention.keyring.rootkey import KEY_BYTES
from retention.model.digests import blake3_digest
from retention.model.errors import UsageError
from retention.model.identifiers import ID_BYTES, KeyId

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS = 13
GROUP_SYMBOLS = 5

_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_SYMBOL_BITS = 5
_SPARE_BITS = 4


def recovery_key_id(secret: bytes) -> KeyId:
    """Return the identifier of a recovery key; it does not give the key away."""
    return KeyId(blake3(secret, derive_key_context="retention v1 recovery key id").digest(ID_BYTES).hex())


def write_recovery_key(secret: bytes) -> str:
    """Return a key as thirteen groups of five characters. Raises ValueError for a key of another length."""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"a recovery key has {KEY_BYTES} bytes")
    number = int.from_bytes(secret, "big") << _SPARE_BITS | _spare(secret)
    groups = []
    for group in range(GROUPS):
        shift = _SYMBOL_BITS * (GROUP_SYMBOLS - 1) * (GROUPS - 1 - group)
        data = [number >> shift + _SYMBOL_BITS * place & 31 for place in (3, 2, 1, 0)]
        groups.append("".join(ALPHABET[value] for value in (*data, group ^ _weighed(data))))
    return "-".join(groups)


def read_recovery_key(text: str) -> bytes:
    """Return the key in a text that somebody typed: case, spaces and hyphens do not matter, O is 0, I and L are 1.

    Raises UsageError that says in which group the mistake is.
    """
    values = [_value(symbol, place) for place, symbol in enumerate(_symbols(text))]
    wrong = [group + 1 for group in range(GROUPS) if not _is_right(group, values)]
    if len(values) != GROUPS * GROUP_SYMBOLS:
        raise UsageError(
            f"a recovery key has {GROUPS * GROUP_SYMBOLS} characters, this one has {len(values)}",
            hint=f"compare with the paper from group {min(wrong, default=GROUPS)} on: "
            f"there are {GROUPS} groups of {GROUP_SYMBOLS}",
        )
    if wrong:
        raise UsageError(
            f"there is a mistake in group {' and '.join(map(str, wrong))} of the recovery key",
            hint="compare this group with the paper, character by character",
        )
    number = 0
    for place, value in enumerate(values, 1):
        if place % GROUP_SYMBOLS:
            number = number << _SYMBOL_BITS | value
    secret = (number >> _SPARE_BITS).to_bytes(KEY_BYTES, "big")
    if number & (1 << _SPARE_BITS) - 1 != _spare(secret):
        raise UsageError(
            "there is more than one mistake in the recovery key",
            hint="compare every group with the paper, character by character",
        )
    return secret


def _is_right(group: int, values: list[int]) -> bool:
    symbols = values[group * GROUP_SYMBOLS : (group + 1) * GROUP_SYMBOLS]
    return len(symbols) == GROUP_SYMBOLS and symbols[-1] == group ^ _weighed(symbols[:-1])


def _symbols(text: str) -> list[str]:
    return [symbol for symbol in text.upper() if symbol != "-" and not symbol.isspace()]


def _value(symbol: str, place: int) -> int:
    if symbol not in _VALUES:
        raise UsageError(
            f"“{symbol}” in group {place // GROUP_SYMBOLS + 1} is no character of a recovery key",
            hint="it is made of digits and of letters other than I, L, O and U",
        )
    return _VALUES[symbol]


def _spare(secret: bytes) -> int:
    return blake3_digest(secret)[0] >> 8 - _SPARE_BITS


def _weighed(data: list[int]) -> int:
    """Return α·a + α²·b + α³·c + α⁴·d in GF(2^5), for the four data symbols of a group."""
    total = 0
    for value in reversed(data):
        total = (total ^ value) << 1
        if total > 31:
            total ^= 0x25
    return total
