"""The root key shared out among custodians: any M of N together have it, fewer have nothing.

SLIP-39 (SatoshiLabs Improvement Proposal 39): Shamir's scheme over GF(256), 33 words a share, each share with its own
checksum, so a mistyped word is noticed, and told, before anything is combined. One group, no passphrase.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from retention.keyring.rootkey import KEY_BYTES
from retention.model.errors import KeyUnavailableError, UsageError

MOST_SHARES = 16
"""SLIP-39 counts shares in four bits."""


def split_secret(secret: bytes, shares: int, threshold: int) -> list[str]:
    """Return `shares` lines of words, any `threshold` of which give the secret back. Raises UsageError."""
    from shamir_mnemonic import combine_mnemonics, generate_mnemonics

    if not 2 <= threshold <= shares <= MOST_SHARES:
        raise UsageError(
            f"{threshold} of {shares} shares cannot be made",
            hint=f"at least 2 are needed to open, and at most {MOST_SHARES} are made",
        )
    (words,) = generate_mnemonics(1, [(threshold, shares)], secret)
    if combine_mnemonics(words[-threshold:]) != secret:
        raise KeyUnavailableError(
            "the shares do not give the key back", hint="nothing was written; try again"
        )
    return list(words)


def join_shares(texts: Iterable[str]) -> bytes:
    """Return the secret that shares give. Raises KeyUnavailableError that says what is wrong, never what they say."""
    from shamir_mnemonic import MnemonicError, combine_mnemonics

    lines = [_words(text) for text in texts]
    try:
        secret: bytes = combine_mnemonics(lines)
    except (MnemonicError, ValueError) as error:
        raise KeyUnavailableError(
            "these shares do not open anything together: too few, of different keys, or a word is wrong",
            hint="compare each word with the paper, and give as many shares as it says are needed",
        ) from error
    if len(secret) != KEY_BYTES:
        raise KeyUnavailableError("these shares are of something else", hint="look for those of this archive")
    return secret


def _words(text: str) -> str:
    """Return the words of a share's file; lines with a colon or a # say what it is."""
    lines = [line for line in text.splitlines() if ":" not in line and not line.lstrip().startswith("#")]
    return " ".join(unicodedata.normalize("NFKD", " ".join(lines)).lower().split())
