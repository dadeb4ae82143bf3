"""Making and ending API tokens and accounts.

The invariant: an administrator does it, of every place where roles are granted; as for people, whoever holds the root
key as long as nobody is registered. What proves it is kept as a hash, and every change is in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from retention.catalog.credentials import CredentialKind, CredentialRecord
from retention.catalog.people import RoleAt
from retention.journal.envelope import NewEntry
from retention.keyring.institutions import OpenKey
from retention.model.canonical import JsonValue, canonical_json
from retention.model.digests import blake3_digest
from retention.model.errors import NotFoundError, UsageError
from retention.model.identifiers import InstitutionId
from retention.services import commit, people
from retention.services.entries import access
from retention.services.events import PERSON_PREFIX, Names, person_name
from retention.services.identity.api_tokens import ApiToken, new_token
from retention.services.identity.passwords import Passwords
from retention.services.people import ADMINISTRATOR, ROLES, Claim
from retention.services.stores import Stores

LONGEST = timedelta(days=732)
"""For how long a token may be made."""


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A new token: `text` is shown once and kept nowhere."""

    record: CredentialRecord
    token: ApiToken


def create_token(
    stores: Stores,
    label: str,
    institutions: Sequence[InstitutionId],
    roles: Sequence[str],
    until_at: datetime,
) -> MadeToken:
    """Make a token with roles at institutions (none: in the whole archive) until an instant.

    Raises UsageError (a label, role or instant that is none), RoleMissingError, SignatureMissingError.
    """
    name, at = person_name(label), stores.clock.now()
    if not at < until_at <= at + LONGEST:
        raise UsageError("a token ends in the future, within two years", hint="give the day with --until")
    token = new_token()
    grants = _grants(institutions, roles)
    if not grants:
        raise UsageError("a token without a role could do nothing", hint=f"--role {ROLES[0]}")
    record = CredentialRecord(
        token.token_id, CredentialKind.TOKEN, name, token.digest, grants, at, until_at, None, 0
    )
    return MadeToken(_add(stores, record), token)


def add_account(
    stores: Stores,
    name: str,
    institutions: Sequence[InstitutionId],
    roles: Sequence[str],
    password: str,
) -> CredentialRecord:
    """Make an account; without roles it has those of the registered person of that name.

    Raises UsageError (also where a registered person is given roles here: they are given in one place), and as
    `create_token`.
    """
    name = person_name(name)
    account_id, grants = account_id_of(stores, name), _grants(institutions, roles)
    person = stores.catalog.people.get(account_id)
    if person is None and not grants:
        raise UsageError(
            f"{name} is not registered, so the account needs a role",
            hint="--role reader --institution NAME, or register the person: retention person add",
        )
    if person is not None and grants:
        raise UsageError(
            f"{name} is registered, and the account has that person's roles",
            hint="leave out --role; retention person role changes them",
        )
    at, secret = stores.clock.now(), Passwords().hash(password)
    return _add(
        stores,
        CredentialRecord(account_id, CredentialKind.ACCOUNT, name, secret, grants, at, None, None, 0),
    )


def revoke_token(stores: Stores, token_id: str) -> CredentialRecord:
    """End a token for ever. Raises NotFoundError, UsageError (ended already), and as `create_token`."""
    record = _token(stores, token_id)
    return _switch(stores, record, access.TOKEN_REVOKE, is_locked=True)


def lock_account(stores: Stores, name: str) -> CredentialRecord:
    """Let nobody in by an account until it is unlocked. Raises as `revoke_token`."""
    return _switch(stores, find_account(stores, name), access.ACCOUNT_LOCK, is_locked=True)


def unlock_account(stores: Stores, name: str) -> CredentialRecord:
    """Let its owner in again. Raises as `revoke_token`."""
    return _switch(stores, find_account(stores, name), access.ACCOUNT_UNLOCK, is_locked=False)


def set_password(stores: Stores, name: str, password: str) -> CredentialRecord:
    """Give an account another password. Raises NotFoundError, UsageError, and as `create_token`."""
    secret = Passwords().hash(password)

    def entry(record: CredentialRecord, at: datetime) -> NewEntry:
        by = _authorised(stores, access.ACCOUNT_PASSWORD, record, secret.hex(), at)
        return access.password_entry(record, secret, _key_of(stores, record), at, stores.actor, by)

    return _commit(stores, find_account(stores, name), entry)


def find_account(stores: Stores, name: str) -> CredentialRecord:
    """Return an account. Raises NotFoundError."""
    account_id = account_id_of(stores, person_name(name))
    found = stores.catalog.credentials.get(CredentialKind.ACCOUNT, account_id)
    if found is None:
        raise NotFoundError(
            f"there is no account of {name}", hint="look which there are: retention account list"
        )
    return found


def account_id_of(stores: Stores, name: str) -> str:
    """Return the id of an account: the digest by which the journal names the person of that name."""
    return Names(stores.keyring.index_key.secret).person(name).removeprefix(PERSON_PREFIX)


def _token(stores: Stores, token_id: str) -> CredentialRecord:
    known = stores.catalog.credentials.all(CredentialKind.TOKEN)
    found = [record for record in known if token_id and record.credential_id.startswith(token_id)]
    if len(found) != 1:
        what = "several tokens begin so" if found else f"there is no token {token_id[:16]}"
        raise NotFoundError(what, hint="look which there are: retention token list")
    return found[0]


def _add(stores: Stores, record: CredentialRecord) -> CredentialRecord:
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        if stores.catalog.credentials.get(record.kind, record.credential_id) is not None:
            raise UsageError(
                f"there is an account of {record.name} already", hint="retention account password changes it"
            )
        said = [record.kind.value, *(f"{place}:{role}" for place, role in record.grants)]
        action = access.TOKEN_CREATE if record.kind is CredentialKind.TOKEN else access.ACCOUNT_ADD
        by = _authorised(stores, action, record, canonical_json([*said]).decode(), record.made_at)
        entry = access.add_entry(record, _key_of(stores, record), stores.actor, by)
        commit.append_locked(stores, [entry])
    return _again(stores, record)


def _switch(stores: Stores, record: CredentialRecord, action: str, *, is_locked: bool) -> CredentialRecord:
    def entry(record: CredentialRecord, at: datetime) -> NewEntry:
        if (record.locked_at is not None) is is_locked:
            state = "locked or revoked" if is_locked else "not locked"
            raise UsageError(f"{record.name} is {state} already", hint="there is nothing to do")
        by = _authorised(stores, action, record, "", at)
        return access.state_entry(action, record, at, stores.actor, by)

    return _commit(stores, record, entry)


def _commit(
    stores: Stores, record: CredentialRecord, entry_of: Callable[[CredentialRecord, datetime], NewEntry]
) -> CredentialRecord:
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        entry = entry_of(_again(stores, record), stores.clock.now())
        commit.append_locked(stores, [entry])
    return _again(stores, record)


def _again(stores: Stores, record: CredentialRecord) -> CredentialRecord:
    return stores.catalog.credentials.get(record.kind, record.credential_id) or record


def _authorised(
    stores: Stores, what: str, record: CredentialRecord, said: str, at: datetime
) -> dict[str, JsonValue] | None:
    """Return the proof of the administrator who does it; None as long as nobody is registered."""
    if stores.catalog.people.count() == 0:
        return None
    places = {place for place, _ in record.grants} or {None}
    for place in places:
        actor = people.require_role(stores, place, ADMINISTRATOR)
    digest = blake3_digest(said.encode()).hex()
    owner = access.owner_of(record.grants)
    return people.proof(stores, actor, Claim(what, owner, record.credential_id, digest, ADMINISTRATOR), at)


def _grants(institutions: Sequence[InstitutionId], roles: Sequence[str]) -> tuple[RoleAt, ...]:
    for role in roles:
        if role not in ROLES:
            raise UsageError(f"there is no role {role}", hint=f"one of {', '.join(ROLES)}")
    places: Sequence[InstitutionId | None] = institutions or [None]
    return tuple(dict.fromkeys((place, role) for place in places for role in roles))


def _key_of(stores: Stores, record: CredentialRecord) -> OpenKey:
    owner = access.owner_of(record.grants)
    return stores.keyring.index_key if owner is None else stores.keyring.payload_key(owner)
