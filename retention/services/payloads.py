"""Encrypted payloads of journal entries, by the archive's general method (docs/journal.md §3.3).

Every payload names its key, and that key alone opens it: a patient's key for what is about a patient (destroyed with
the patient's last study), an institution's key for what is about the institution, the index key for what is about the
whole archive. A payload whose key was destroyed is unreadable for ever, and that is no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from retention.journal.envelope import Entry
from retention.keyring.institutions import OpenKey
from retention.keyring.keyring import Keyring
from retention.keyring.wrapping import open_payload, seal_payload
from retention.model.canonical import JsonValue, canonical_json, parse_canonical
from retention.model.errors import KeyringBrokenError, KeyUnavailableError
from retention.model.identifiers import InstitutionId, KeyId


def seal(body: Mapping[str, JsonValue], key: OpenKey) -> bytes:
    """Return the payload that `body` becomes under a key; give the key's id to the entry as `payload_key`."""
    return seal_payload(key.key_id, key.secret, canonical_json(dict(body)))


def unseal(payload: bytes, key: OpenKey) -> dict[str, JsonValue]:
    """Return what was sealed. Raises KeyUnavailableError when this is not its key, TypeError when it is no object."""
    body = parse_canonical(open_payload(key.key_id, key.secret, payload))
    if not isinstance(body, dict):
        raise TypeError("a payload is not an object")
    return body


@dataclass(frozen=True, slots=True)
class PayloadReader:
    """Opens the payloads of entries with whatever key they name. `keys` are at hand and need not be looked up."""

    keyring: Keyring
    keys: Mapping[KeyId, bytes] = field(default_factory=dict, repr=False)

    def read(self, entry: Entry, key_segment: int | None = None) -> dict[str, JsonValue] | None:
        """Return an entry's body, None when it has none or its key is gone. `key_segment`: of a patient's key."""
        reference = entry.envelope.payload
        if entry.payload is None or reference is None or reference.key_id is None:
            return None
        try:
            return unseal(entry.payload, self._key(reference.key_id, entry.envelope.institution, key_segment))
        except (KeyUnavailableError, KeyringBrokenError):
            return None

    def _key(self, key_id: KeyId, institution: InstitutionId | None, segment: int | None) -> OpenKey:
        if key_id in self.keys:
            return OpenKey(key_id, self.keys[key_id])
        index = self.keyring.index_key
        if key_id == index.key_id:
            return index
        if institution is not None:
            own = self.keyring.payload_key(institution)
            if key_id == own.key_id:
                return own
        return OpenKey(key_id, self.keyring.patient_key(key_id, segment))
