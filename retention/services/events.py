"""What the journal says: one action a kind of event, and what stands in its public data.

The invariant: public data name packages, volumes and numbers, never a patient, a study or a person. Studies and
patients appear as keyed digests, which say nothing without the keyring.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from retention.model.canonical import JsonValue
from retention.model.clock import parse_instant
from retention.model.digests import keyed_digest
from retention.model.errors import UsageError
from retention.model.identifiers import InstitutionId

ARCHIVE_CREATE = "archive.create"
VOLUME_ADD = "volume.add"
VOLUME_REPLACE = "volume.replace"
VOLUME_ADOPT = "volume.adopt"
PACKAGE_INGEST = "package.ingest"
PACKAGE_MOVE = "package.move"
PACKAGE_COPY = "package.copy"
PACKAGE_DROP = "package.drop"
SHARD_REPAIR = "shard.repair"
AUDIT_RUN = "audit.run"
STUDY_EXPORT = "study.export"
QUARANTINE_EXPORT = "quarantine.export"
RECOVERY_STORED = "keys.recovery-stored"

INSTANCE_DIGEST_BYTES = 16
PERSON_CHARACTERS = 200
PERSON_PREFIX = "person-"
"""Before a person's keyed digest, where an actor is named."""


@dataclass(frozen=True, slots=True, repr=False)
class Names:
    """Keyed digests of what must not be named in clear (docs/journal.md §4.6). Holds the index key."""

    index_key: bytes

    def instance(self, institution: InstitutionId, sop_instance_uid: str) -> bytes:
        """Return the 16 bytes by which the catalog knows an instance of an institution."""
        return keyed_digest(
            self.index_key, _joined("instance", institution, sop_instance_uid), INSTANCE_DIGEST_BYTES
        )

    def content(self, institution: InstitutionId, blake3: bytes) -> bytes:
        """Return the 16 bytes by which the catalog knows bytes that could not be identified."""
        return keyed_digest(
            self.index_key, _joined("content", institution, blake3.hex()), INSTANCE_DIGEST_BYTES
        )

    def study(self, institution: InstitutionId, study_uid: str) -> str:
        return keyed_digest(self.index_key, _joined("study", institution, study_uid)).hex()

    def patient(self, institution: InstitutionId, patient_id: str, issuer: str | None) -> str:
        return keyed_digest(self.index_key, _joined("patient", institution, patient_id, issuer or "")).hex()

    def message(self, institution: InstitutionId, sender: str, number: str) -> bytes:
        """Return the 16 bytes by which a message of another system is known to have been read."""
        return keyed_digest(
            self.index_key, _joined("message", institution, sender, number), INSTANCE_DIGEST_BYTES
        )

    def person(self, name: str) -> str:
        """Return how the journal names an acting person; `name` as `person_name` gives it."""
        return PERSON_PREFIX + keyed_digest(self.index_key, _joined("person", name), 16).hex()

    def caller(self, kind: str, *names: str) -> str:
        """Return how the journal names a caller of that kind (a certificate, a provider's subject) by its names."""
        return f"{kind}-{keyed_digest(self.index_key, _joined('caller', kind, *names), 16).hex()}"


def _joined(*parts: str) -> bytes:
    return "\0".join(parts).encode("utf-8", "surrogateescape")


def person_name(text: str) -> str:
    """Return a person's name in the one form that is digested. Raises UsageError for what is none.

    The same name typed on another keyboard (composed or decomposed accents, spaces around it) is the same person.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or not name.isprintable() or len(name) > PERSON_CHARACTERS:
        raise UsageError(
            f"{text!a} does not name a person", hint=f"1 to {PERSON_CHARACTERS} printable characters"
        )
    return name


def text_of(data: Mapping[str, JsonValue], name: str) -> str:
    """Return a text that an entry's data must have."""
    value = data[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not a text")
    return value


def number_of(data: Mapping[str, JsonValue], name: str) -> int:
    """Return a number that an entry's data must have."""
    value = data[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is not a number")
    return value


def optional_text_of(data: Mapping[str, JsonValue], name: str) -> str | None:
    return None if data.get(name) is None else text_of(data, name)


def instant_of(data: Mapping[str, JsonValue], name: str) -> datetime:
    """Return an instant that an entry's data must have."""
    return parse_instant(text_of(data, name))


def list_of(data: Mapping[str, JsonValue], name: str) -> list[JsonValue]:
    value = data[name]
    if not isinstance(value, list):
        raise TypeError(f"{name} is not a list")
    return value
