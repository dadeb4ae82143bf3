"""Entries about the archive's own signature."""

from __future__ import annotations

from retention.journal.envelope import Entry
from retention.services.entries.applying import Applying
from retention.services.events import text_of

SIGNING_KEY = "signing.key"
SIGNING_KEY_STATE = "signing_key"


def apply_key(applying: Applying, entry: Entry) -> None:
    """From this entry on the archive signs with the key it names."""
    applying.transaction.set_state(SIGNING_KEY_STATE, text_of(entry.envelope.data, "key"))
