"""Registering people, their keys and their roles.

The invariant: once the archive has an administrator who can act, nobody else registers people or changes what they may
do; there is always one left. The first one is registered by whoever holds the root key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches

from retention.catalog.people import PersonRecord, RoleAt
from retention.keyring.institutions import OpenKey
from retention.markup.faults import did_you_mean
from retention.model.canonical import JsonValue, canonical_json
from retention.model.digests import blake3_digest
from retention.model.errors import NotFoundError, RefusedError, UsageError
from retention.model.identifiers import InstitutionId
from retention.services import commit, initialise, people
from retention.services.entries.people import (
    PERSON_ADD,
    PERSON_KEY,
    PERSON_ROLE,
    add_entry,
    key_entry,
    role_entry,
)
from retention.services.events import PERSON_PREFIX, Names, person_name
from retention.services.people import ADMINISTRATOR, ROLES, Claim
from retention.services.stores import Stores
from retention.signatures.keys import PublicKey

NEARLY = 0.85
"""How like one of the archive's own roles a word is that was probably meant to be it."""

_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_EMAIL = re.compile(r"[^\s@]{1,100}@[^\s@]{1,150}\Z")


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody to be registered. Roles count at these institutions, or, without any, in the whole archive."""

    name: str
    institutions: tuple[InstitutionId, ...] = ()
    roles: tuple[str, ...] = ()
    email: str | None = None
    public_key: PublicKey | None = None


def find(stores: Stores, name: str) -> PersonRecord:
    """Return a registered person. Raises NotFoundError with a did-you-mean."""
    found = stores.catalog.people.get(_id_of(stores, person_name(name)))
    if found is not None:
        return found
    near = did_you_mean(name, [each.name for each in stores.catalog.people.all()])
    hint = "look who is: retention person list" if near is None else f"did you mean {near}?"
    raise NotFoundError(f"{name} is not registered", hint=hint)


def add(stores: Stores, new: NewPerson) -> PersonRecord:
    """Register a person.

    Raises UsageError (a name, role or address that is none; a name or key that is taken), RefusedError where only an
    administrator may.
    """
    name = person_name(new.name)
    for role in new.roles:
        require_role_word(role)
    if new.email is not None and _EMAIL.match(new.email) is None:
        raise UsageError(f"{new.email!a} is no email address", hint="write somebody@example.org")
    raw = None if new.public_key is None else new.public_key.raw
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        places = new.institutions or (None,)
        roles = tuple((place, role) for place in places for role in new.roles)
        at = stores.clock.now()
        record = PersonRecord(_id_of(stores, name), name, new.email, raw, new.institutions, at, 0, roles)
        by = _authorised(stores, PERSON_ADD, record, places, [name, raw and raw.hex(), roles], at)
        _require_free(stores, record)
        _require_able(stores, record)
        commit.append_locked(stores, [add_entry(record, _key_of(stores, record), at, stores.actor, by)])
    return find(stores, name)


def set_key(stores: Stores, name: str, public_key: PublicKey) -> PersonRecord:
    """Let a person sign with another key from now on. Raises as `add`."""
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        record = find(stores, name)
        _require_unused_key(stores, public_key.raw, record.person_id)
        at = stores.clock.now()
        by = _authorised(stores, PERSON_KEY, record, _places(record), [public_key.raw.hex()], at)
        entry = key_entry(record, public_key.raw, _key_of(stores, record), at, stores.actor, by)
        commit.append_locked(stores, [entry])
    return find(stores, name)


def change_roles(
    stores: Stores,
    name: str,
    institutions: Sequence[InstitutionId],
    added: Iterable[str],
    removed: Iterable[str],
) -> PersonRecord:
    """Give and take roles at institutions, or in the whole archive. Raises as `add`; RefusedError for the last
    administrator's role."""
    added, removed = tuple(added), tuple(removed)
    for role in added:
        require_role_word(role)
    places = tuple(institutions) or (None,)
    giving: list[RoleAt] = [(place, role) for place in places for role in added]
    taking: list[RoleAt] = [(place, role) for place in places for role in removed]
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        record = find(stores, name)
        for lacking in set(taking) - set(record.roles):
            raise UsageError(
                f"{record.name} does not have the role {lacking[1]} {people.place_name(stores, lacking[0])}",
                hint="retention person list shows who has which",
            )
        at = stores.clock.now()
        by = _authorised(stores, PERSON_ROLE, record, places, [giving, taking], at)
        after = tuple((set(record.roles) - set(taking)) | set(giving))
        _require_able(stores, replace(record, roles=after))
        if (None, ADMINISTRATOR) in taking and not _administrators(stores, but=record.person_id):
            raise RefusedError(
                f"{record.name} is the last administrator: nobody could register people any more",
                hint="give the role to somebody else first",
            )
        entry = role_entry(record, giving, taking, at, stores.actor, by)
        commit.append_locked(stores, [entry])
    return find(stores, name)


def require_role_word(role: str) -> None:
    """Raise UsageError for what cannot be a role, or is probably one of the archive's own, mistyped."""
    near = get_close_matches(role, ROLES, 1, NEARLY)  # a director is no auditor
    if near and role not in ROLES:
        raise UsageError(f"there is no role {role}", hint=f"did you mean {near[0]}?")
    if _ROLE.match(role) is None:
        raise UsageError(
            f"{role!a} cannot be a role",
            hint=f"one of {', '.join(ROLES)}, or a named approver: a-z, 0-9, hyphens and underscores",
        )


def _authorised(
    stores: Stores,
    what: str,
    record: PersonRecord,
    places: Sequence[InstitutionId | None],
    said: Sequence[object],
    at: datetime,
) -> dict[str, JsonValue] | None:
    """Return the proof of the administrator who does it; None as long as there is none who could."""
    if not _administrators(stores):
        return None
    for place in places:
        actor = people.require_role(stores, place, ADMINISTRATOR)
    digest = blake3_digest(canonical_json(_plain(said))).hex()
    claim = Claim(what, _owner(record.institutions), record.person_id, digest, ADMINISTRATOR)
    return people.proof(stores, actor, claim, at)


def _plain(value: object) -> JsonValue:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None else str(value)


def _administrators(stores: Stores, but: str | None = None) -> list[PersonRecord]:
    """Return the administrators of the whole archive."""
    return [
        each
        for each in stores.catalog.people.all()
        if (None, ADMINISTRATOR) in each.roles and each.person_id != but
    ]


def _require_able(stores: Stores, record: PersonRecord) -> None:
    """Refuse an administrator of the whole archive who could never prove who he or she is."""
    is_administrator = (None, ADMINISTRATOR) in record.roles
    if is_administrator and record.public_key is None and not initialise.is_rehearsal(stores):
        raise UsageError(
            "an administrator of a production archive signs, and needs a key",
            hint="make one with --new-key FILE, or register one with --public-key FILE",
        )


def _require_free(stores: Stores, record: PersonRecord) -> None:
    if stores.catalog.people.get(record.person_id) is not None:
        raise UsageError(
            f"{record.name} is registered already", hint="retention person role changes what a person may do"
        )
    if record.public_key is not None:
        _require_unused_key(stores, record.public_key, record.person_id)


def _require_unused_key(stores: Stores, raw: bytes, person_id: str) -> None:
    """Refuse one key for two people: approvals by different people would mean nothing."""
    for each in stores.catalog.people.all():
        if each.public_key == raw and each.person_id != person_id:
            raise UsageError(
                f"this is the key of {each.name}", hint="every person has a key of his or her own"
            )


def _places(record: PersonRecord) -> tuple[InstitutionId | None, ...]:
    """Where an administrator has to be one to change this person's key: everywhere the person has a say."""
    return tuple({where for where, _ in record.roles} or set(record.institutions)) or (None,)


def _owner(institutions: Sequence[InstitutionId]) -> InstitutionId | None:
    return institutions[0] if len(institutions) == 1 else None


def _key_of(stores: Stores, record: PersonRecord) -> OpenKey:
    owner = _owner(record.institutions)
    return stores.keyring.index_key if owner is None else stores.keyring.payload_key(owner)


def _id_of(stores: Stores, name: str) -> str:
    return Names(stores.keyring.index_key.secret).person(name).removeprefix(PERSON_PREFIX)
