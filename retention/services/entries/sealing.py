"""Entries about seals: that one was made, timestamped (or not, and why), and that another archive's was cosigned."""

from __future__ import annotations

from retention.journal.envelope import Entry
from retention.services.entries.applying import Applying
from retention.services.events import number_of, text_of

SEAL = "journal.seal"
TIMESTAMP = "journal.timestamp"
TIMESTAMP_FAILED = "journal.timestamp-failed"
SEAL_FAILED = "journal.seal-failed"
COSIGN = "journal.cosign"
COSIGN_REFUSED = "journal.cosign-refused"

LAST_SEAL = "last_seal"
"""The catalog's state: size and digest of the last seal."""


def witnessed_state(origin: str) -> str:
    """Return under which name the catalog remembers what was last cosigned of a journal."""
    return f"cosigned {origin}"[:63]


def apply_seal(applying: Applying, entry: Entry) -> None:
    """Remember the last seal, so that one deleted from every volume is missed."""
    data = entry.envelope.data
    applying.transaction.set_state(LAST_SEAL, f"{number_of(data, 'size')} {text_of(data, 'digest')}")


def apply_cosigned(applying: Applying, entry: Entry) -> None:
    """Remember how far another archive's journal was seen: the next one must continue it."""
    data = entry.envelope.data
    seen = f"{number_of(data, 'size')} {text_of(data, 'root')}"
    applying.transaction.set_state(witnessed_state(text_of(data, "origin")), seen)
