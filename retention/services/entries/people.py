"""Entries about people: registered, another key, roles given and taken.

Public data say where which roles count; names, addresses and keys are in the payload, under the institution's key where
a person belongs to one institution, else under the index key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from retention.catalog.people import PersonRecord, RoleAt
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue
from retention.model.identifiers import InstitutionId
from retention.services.entries.applying import Applying
from retention.services.events import list_of, optional_text_of
from retention.services.payloads import seal

PERSON_ADD = "person.add"
PERSON_KEY = "person.key"
PERSON_ROLE = "person.role"


def add_entry(record: PersonRecord, key: OpenKey, at: datetime, actor: str, by: JsonValue) -> NewEntry:
    """Return the entry that registers a person."""
    body: dict[str, JsonValue] = {
        "name": record.name,
        "email": record.email,
        "public_key": None if record.public_key is None else record.public_key.hex(),
    }
    data: dict[str, JsonValue] = {
        "institutions": list(record.institutions),
        "roles": written_roles(record.roles),
        "by": by,
    }
    return _entry(PERSON_ADD, record, data, at, actor, seal(body, key), key)


def key_entry(
    record: PersonRecord, public_key: bytes, key: OpenKey, at: datetime, actor: str, by: JsonValue
) -> NewEntry:
    """Return the entry that gives a person another key."""
    payload = seal({"public_key": public_key.hex()}, key)
    return _entry(PERSON_KEY, record, {"by": by}, at, actor, payload, key)


def role_entry(
    record: PersonRecord,
    added: Iterable[RoleAt],
    removed: Iterable[RoleAt],
    at: datetime,
    actor: str,
    by: JsonValue,
) -> NewEntry:
    """Return the entry that gives and takes roles."""
    data: dict[str, JsonValue] = {"added": written_roles(added), "removed": written_roles(removed), "by": by}
    return _entry(PERSON_ROLE, record, data, at, actor, None, None)


def apply_add(applying: Applying, entry: Entry) -> None:
    data, body = entry.envelope.data, applying.payloads.read(entry) or {}
    applying.transaction.people.register(
        PersonRecord(
            entry.envelope.objects["person"],
            optional_text_of(body, "name") or "",
            optional_text_of(body, "email"),
            _key(body),
            tuple(InstitutionId(str(each)) for each in list_of(data, "institutions")),
            entry.envelope.at,
            entry.envelope.seq,
            read_roles(data, "roles"),
        )
    )


def apply_key(applying: Applying, entry: Entry) -> None:
    body = applying.payloads.read(entry) or {}
    applying.transaction.people.set_key(entry.envelope.objects["person"], _key(body))


def apply_role(applying: Applying, entry: Entry) -> None:
    data = entry.envelope.data
    person = entry.envelope.objects["person"]
    applying.transaction.people.change_roles(person, read_roles(data, "added"), read_roles(data, "removed"))


def _entry(
    action: str,
    record: PersonRecord,
    data: Mapping[str, JsonValue],
    at: datetime,
    actor: str,
    payload: bytes | None,
    key: OpenKey | None,
) -> NewEntry:
    institution = record.institutions[0] if len(record.institutions) == 1 else None
    key_id = None if key is None else key.key_id
    return NewEntry(at, actor, action, institution, {"person": record.person_id}, data, payload, key_id)


def written_roles(roles: Iterable[RoleAt]) -> list[JsonValue]:
    """Return roles as public data say them: pairs of institution (null: everywhere) and word."""
    return [[institution, role] for institution, role in roles]


def read_roles(data: Mapping[str, JsonValue], name: str) -> tuple[RoleAt, ...]:
    """Return the roles that public data say. Raises TypeError when they are none."""
    return tuple(_role(each) for each in list_of(data, name))


def _role(value: JsonValue) -> RoleAt:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError("a role is a pair of institution and word")
    institution, role = value
    return None if institution is None else InstitutionId(str(institution)), str(role)


def _key(body: Mapping[str, JsonValue]) -> bytes | None:
    written = optional_text_of(body, "public_key")
    return None if written is None else bytes.fromhex(written)
