"""Entries about the archive's own keys: shared out, tried, recovered, rotated. They name keys, and hold no secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import KeyGeneration
from retention.keyring.rotation import Ending
from retention.model.canonical import JsonValue, canonical_json
from retention.model.clock import format_instant
from retention.model.digests import blake3_digest
from retention.model.identifiers import InstitutionId, KeyId
from retention.services.entries.applying import Applying
from retention.services.events import number_of

KEYS_ESCROW = "keys.escrow"
KEYS_DRILL = "keys.drill"
KEYS_RECOVER = "keys.recover"
KEYS_ROTATE = "keys.rotate"
"""An institution has a new key: from this entry on it wraps what is new."""
KEYS_ROTATED = "keys.rotated"
"""All its keys are under the new one; the old ones were destroyed, or are kept to open."""


def rotation_state(action: str, institution: InstitutionId) -> str:
    """Return under which name the catalog remembers the last rotation of an institution: generation and instant."""
    return f"{action} {institution}"


def rotate_digest(generation: int, key: KeyId, before: KeyId) -> str:
    """Return what a person signs of a rotation."""
    said: dict[str, JsonValue] = {"generation": generation, "key": key, "before": before}
    return blake3_digest(canonical_json(said)).hex()


def rotate_entry(now: KeyGeneration, before: KeyId, at: datetime, actor: str, by: JsonValue) -> NewEntry:
    """Return the entry that an institution has a new key."""
    return NewEntry(
        at,
        actor,
        KEYS_ROTATE,
        institution=now.institution_id,
        objects={"key": now.key_id, "before": before},
        data={"generation": now.generation, "by": by},
    )


def rotated_entry(now: KeyGeneration, ending: Ending, rewrapped: int, at: datetime, actor: str) -> NewEntry:
    """Return the entry that everything of an institution is under its new key."""
    data: dict[str, JsonValue] = {
        "generation": now.generation,
        "rewrapped": rewrapped,
        "destroyed": _ids(ending.destroyed, now.institution_id),
        "kept": _ids(ending.kept, now.institution_id),
        "behind": list(ending.behind),
    }
    return NewEntry(
        at,
        actor,
        KEYS_ROTATED,
        institution=now.institution_id,
        objects={"key": now.key_id},
        data=data,
    )


def _ids(keys: Sequence[KeyGeneration], institution: InstitutionId) -> list[JsonValue]:
    return [each.key_id for each in keys if each.institution_id == institution]


def apply(applying: Applying, entry: Entry) -> None:
    """Remember when it was done last."""
    applying.transaction.set_state(entry.envelope.action, format_instant(entry.envelope.at))


def apply_rotation(applying: Applying, entry: Entry) -> None:
    """Remember how far an institution's rotation is, and since when."""
    envelope = entry.envelope
    state = rotation_state(envelope.action, InstitutionId(envelope.institution or ""))
    applying.transaction.set_state(
        state, f"{number_of(envelope.data, 'generation')} {format_instant(envelope.at)}"
    )


ACTIONS: Mapping[str, Callable[[Applying, Entry], None]] = {
    KEYS_ESCROW: apply,
    KEYS_DRILL: apply,
    KEYS_RECOVER: apply,
    KEYS_ROTATE: apply_rotation,
    KEYS_ROTATED: apply_rotation,
}
