"""Entries about who may come in: tokens and accounts made and ended, log-ins, and what was refused at the doors.

Public data say where which roles are granted and how often somebody was refused; names, hashes and addresses are in the
payload, under the institution's key where a credential belongs to one institution, else under the index key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from retention.catalog.credentials import CredentialKind, CredentialRecord
from retention.catalog.people import RoleAt
from retention.journal.envelope import Entry, NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant, parse_instant
from retention.model.identifiers import InstitutionId
from retention.services.entries.applying import Applying
from retention.services.entries.people import read_roles, written_roles
from retention.services.events import optional_text_of
from retention.services.payloads import seal

TOKEN_CREATE = "token.create"
TOKEN_REVOKE = "token.revoke"
ACCOUNT_ADD = "account.add"
ACCOUNT_PASSWORD = "account.password"
ACCOUNT_LOCK = "account.lock"
ACCOUNT_UNLOCK = "account.unlock"
LOGIN = "access.login"
REFUSED = "access.refused"

_CREATED = {CredentialKind.TOKEN: TOKEN_CREATE, CredentialKind.ACCOUNT: ACCOUNT_ADD}


def add_entry(record: CredentialRecord, key: OpenKey, actor: str, by: JsonValue) -> NewEntry:
    """Return the entry that makes a token or an account."""
    body: dict[str, JsonValue] = {
        "name": record.name,
        "secret": None if record.secret is None else record.secret.hex(),
    }
    data: dict[str, JsonValue] = {
        "roles": written_roles(record.grants),
        "until": None if record.until_at is None else format_instant(record.until_at),
        "by": by,
    }
    action = _CREATED[record.kind]
    return _entry(action, record, data, record.made_at, actor, seal(body, key), key)


def password_entry(
    record: CredentialRecord, secret: bytes, key: OpenKey, at: datetime, actor: str, by: JsonValue
) -> NewEntry:
    """Return the entry that gives an account another password."""
    payload = seal({"secret": secret.hex()}, key)
    return _entry(ACCOUNT_PASSWORD, record, {"by": by}, at, actor, payload, key)


def state_entry(action: str, record: CredentialRecord, at: datetime, actor: str, by: JsonValue) -> NewEntry:
    """Return the entry that revokes a token, or locks or unlocks an account."""
    return _entry(action, record, {"by": by}, at, actor, None, None)


def login_entry(at: datetime, since: datetime, actor: str, method: str, grants: Iterable[RoleAt]) -> NewEntry:
    """Return the entry that says that a caller came in at an instant, and what was granted."""
    data: dict[str, JsonValue] = {
        "since": format_instant(since),
        "method": method,
        "roles": sorted(written_roles(grants), key=str),
    }
    return NewEntry(at, actor, LOGIN, None, {}, data, None, None)


def refused_entry(
    at: datetime,
    since: datetime,
    actor: str,
    counts: Mapping[str, int],
    addresses: Mapping[str, int],
    key: OpenKey,
) -> NewEntry:
    """Return the entry that sums up who was refused since an instant, by reason."""
    data: dict[str, JsonValue] = {"since": format_instant(since), "refused": dict(counts)}
    payload = seal({"addresses": dict(addresses)}, key)
    return NewEntry(at, actor, REFUSED, None, {}, data, payload, key.key_id)


def apply_add(applying: Applying, entry: Entry) -> None:
    envelope, body = entry.envelope, applying.payloads.read(entry) or {}
    until = optional_text_of(envelope.data, "until")
    applying.transaction.credentials.add(
        CredentialRecord(
            envelope.objects["credential"],
            next(kind for kind, action in _CREATED.items() if action == envelope.action),
            optional_text_of(body, "name") or "",
            _secret(body),
            read_roles(envelope.data, "roles"),
            envelope.at,
            None if until is None else parse_instant(until),
            None,
            envelope.seq,
        )
    )


def apply_password(applying: Applying, entry: Entry) -> None:
    body = applying.payloads.read(entry) or {}
    applying.transaction.credentials.set_secret(entry.envelope.objects["credential"], _secret(body))


def apply_lock(applying: Applying, entry: Entry) -> None:
    applying.transaction.credentials.lock(entry.envelope.objects["credential"], entry.envelope.at)


def apply_unlock(applying: Applying, entry: Entry) -> None:
    applying.transaction.credentials.lock(entry.envelope.objects["credential"], None)


ACTIONS: Mapping[str, Callable[[Applying, Entry], None]] = {
    TOKEN_CREATE: apply_add,
    ACCOUNT_ADD: apply_add,
    ACCOUNT_PASSWORD: apply_password,
    TOKEN_REVOKE: apply_lock,
    ACCOUNT_LOCK: apply_lock,
    ACCOUNT_UNLOCK: apply_unlock,
}


def owner_of(grants: Iterable[RoleAt]) -> InstitutionId | None:
    """Return the institution that all grants are at, None for several or the whole archive."""
    places = {place for place, _ in grants}
    return places.pop() if len(places) == 1 else None


def _entry(
    action: str,
    record: CredentialRecord,
    data: Mapping[str, JsonValue],
    at: datetime,
    actor: str,
    payload: bytes | None,
    key: OpenKey | None,
) -> NewEntry:
    key_id = None if key is None else key.key_id
    objects = {"credential": record.credential_id}
    return NewEntry(at, actor, action, owner_of(record.grants), objects, data, payload, key_id)


def _secret(body: Mapping[str, JsonValue]) -> bytes | None:
    written = optional_text_of(body, "secret")
    return None if written is None else bytes.fromhex(written)
