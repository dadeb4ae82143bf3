"""Entries about archive.yaml: a text is put in force, or one that waits was seen.

The text is in the payload, under the index key: what was in force can be told, and put back, when the file is gone.
"""

from __future__ import annotations

from datetime import datetime

from retention.catalog.state import CONFIG_SEEN_STATE, CONFIG_TEXT_STATE
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.digests import blake3_digest
from retention.services import payloads
from retention.services.entries.applying import Applying
from retention.services.events import text_of

CONFIG_APPLY = "config.apply"
CONFIG_SEEN = "config.seen"


def digest_of(text: str) -> str:
    """Return how the journal names a text of archive.yaml."""
    return blake3_digest(text.encode()).hex()


def apply_entry(
    key: OpenKey,
    at: datetime,
    actor: str,
    text: str,
    *,
    is_loosening: bool,
    reason: str | None,
    approval: str | None = None,
) -> NewEntry:
    """Return the entry that puts a text of archive.yaml in force."""
    return NewEntry(
        at,
        actor,
        CONFIG_APPLY,
        data={"digest": digest_of(text), "loosening": is_loosening, "approval": approval},
        payload=payloads.seal({"text": text, "reason": reason}, key),
        payload_key=key.key_id,
    )


def seen_entry(at: datetime, actor: str, text: str) -> NewEntry:
    """Return the entry that says that a text lies there which is not in force."""
    return NewEntry(at, actor, CONFIG_SEEN, data={"digest": digest_of(text)})


def apply(applying: Applying, entry: Entry) -> None:
    """The text is in force from this entry on."""
    body = applying.payloads.read(entry)
    if body is None:
        raise ValueError("the text of archive.yaml cannot be read")
    applying.transaction.set_state(CONFIG_TEXT_STATE, text_of(body, "text"))


def apply_seen(applying: Applying, entry: Entry) -> None:
    """This text was seen, and waits."""
    applying.transaction.set_state(CONFIG_SEEN_STATE, text_of(entry.envelope.data, "digest"))
