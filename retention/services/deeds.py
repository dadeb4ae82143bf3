"""What people signed in the journal, checked against the keys that the journal itself says were theirs.

Policies put in force, institutions changed, holds, requests, approvals, records destroyed, keys rotated: each says in
`by` who did it, and proves it where that person has a key (docs/people.md). The invariant: a signature counts only with
the key that was that person's when the entry was written.
"""

from __future__ import annotations

from retention.journal.envelope import Entry, Envelope
from retention.services.entries.people import PERSON_ADD, PERSON_KEY
from retention.services.payloads import PayloadReader
from retention.services.people import Method, is_signed


class Deeds:
    """Looks at entries one after the other, from the first; `checked` counts the signatures that were looked at."""

    def __init__(self, archive: str, payloads: PayloadReader) -> None:
        self.checked = 0
        self._archive = archive
        self._payloads = payloads
        self._keys: dict[str, bytes | None] = {}

    def wrong(self, entry: Entry) -> str | None:
        """Return what is wrong with the signature of an entry; None when it is right, or there is none to be."""
        told = self._judged(entry.envelope)
        if entry.envelope.action in (PERSON_ADD, PERSON_KEY):
            self._learn(entry)
        return told

    def _judged(self, envelope: Envelope) -> str | None:
        by = envelope.data.get("by")
        if not isinstance(by, dict) or by.get("method") != Method.SIGNATURE.value:
            return None
        self.checked += 1
        person = str(by.get("person"))
        key = self._keys.get(person)
        if key is None:
            return f"it is signed by {person}, of whom no key was registered by then"
        if not is_signed(envelope, self._archive, key):
            return f"the signature of {person} is not over what it says"
        return None

    def _learn(self, entry: Entry) -> None:
        body = self._payloads.read(entry) or {}
        key = body.get("public_key")
        self._keys[entry.envelope.objects["person"]] = bytes.fromhex(key) if isinstance(key, str) else None
