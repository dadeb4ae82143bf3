"""Tokens and accounts: who may make them, what is kept of them, and what the journal tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retention.catalog.credentials import CredentialKind
from retention.model.errors import NotFoundError, RoleMissingError, UsageError
from retention.services.identity import credentials
from retention.services.verifying import verify_journal
from tests.services.acting import Cast

DAY = timedelta(days=1)
PASSWORD = "correct horse battery"


def necker(stores):
    return stores.catalog.institutions()[0].institution_id


def token(stores, *, roles=("reader",), days=1):
    return credentials.create_token(
        stores, "viewer", [necker(stores)], roles, stores.clock.now() + days * DAY
    )


def told(stores):
    known = stores.catalog.credentials
    return [record for kind in CredentialKind for record in known.all(kind)]


def test_of_a_secret_only_a_hash_is_kept_and_nothing_of_names_is_public(held):
    with held.opened() as stores:
        made = token(stores)
        credentials.add_account(stores, "Zoé Grand", [necker(stores)], ["reader"], PASSWORD)
        entries = list(stores.journal.read())[-2:]
        assert [entry.envelope.action for entry in entries] == ["token.create", "account.add"]
        lines = b"".join(entry.line for entry in entries)
        assert b"viewer" not in lines
        assert b"Zo" not in lines
    everything = b"".join(path.read_bytes() for path in held.root.rglob("*") if path.is_file())
    for secret in (made.token.secret, PASSWORD, made.token.digest.hex()):
        assert secret.encode() not in everything
    assert made.token.secret not in repr(made)


def test_a_rebuilt_catalog_knows_the_same(held):
    from retention.archive import rebuild_archive_catalog
    from retention.services.progress import NoProgress

    with held.opened() as stores:
        first, _ = token(stores), token(stores)
        credentials.revoke_token(stores, first.record.credential_id)
        for name in ("Anne", "Bob"):
            credentials.add_account(stores, name, [necker(stores)], ["reader"], PASSWORD)
            credentials.lock_account(stores, name)
        credentials.unlock_account(stores, "Anne")
        credentials.set_password(stores, "Anne", PASSWORD[::-1])
        before = told(stores)
    rebuild_archive_catalog(held.root, NoProgress())
    with held.opened() as stores:
        assert told(stores) == before
        assert [record.locked_at is None for record in before] == [False, True, True, False]


def test_once_people_are_registered_only_an_administrator_makes_them(held):
    cast = Cast(held)
    cast.register("Anne Admin", "administrator")
    cast.register("Bob", "archivist", by="Anne Admin")
    with cast.acting("Bob") as stores, pytest.raises(RoleMissingError):
        token(stores)
    with cast.acting(None) as stores, pytest.raises(RoleMissingError):
        credentials.add_account(stores, "Eve", [], ["reader"], PASSWORD)
    with cast.acting("Anne Admin") as stores:
        made = token(stores)
        (entry,) = list(stores.journal.read())[-1:]
        by = entry.envelope.data["by"]
        assert isinstance(by, dict)
        assert by["signature"] is not None
        credentials.add_account(stores, "Anne Admin", [], [], PASSWORD)
        credentials.set_password(stores, "Anne Admin", PASSWORD[::-1])
        credentials.lock_account(stores, "Anne Admin")
        assert verify_journal(stores, None).problems == []
    with cast.acting("Bob") as stores, pytest.raises(RoleMissingError):
        credentials.revoke_token(stores, made.record.credential_id)


def test_an_account_of_a_registered_person_has_that_persons_roles_and_no_others(held):
    cast = Cast(held)
    cast.register("Anne Admin", "administrator")
    with cast.acting("Anne Admin") as stores:
        with pytest.raises(UsageError, match="has that person's roles"):
            credentials.add_account(stores, "Anne Admin", [], ["reader"], PASSWORD)
        assert credentials.add_account(stores, "Anne Admin", [], [], PASSWORD).grants == ()
        with pytest.raises(UsageError, match="needs a role"):
            credentials.add_account(stores, "Eve", [], [], PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "e\u0301" * 6, "x" * 2000])
def test_a_weak_or_endless_password_is_refused(held, password):
    with held.opened() as stores, pytest.raises(UsageError, match="a password has"):
        credentials.add_account(stores, "Anne", [], ["reader"], password)


@pytest.mark.parametrize(
    ("roles", "days"), [((), 1), (("raeder",), 1), (("reader",), -1), (("reader",), 5000)]
)
def test_a_token_that_could_not_be_meant_is_refused(held, roles, days):
    with held.opened() as stores:
        with pytest.raises(UsageError):
            token(stores, roles=roles, days=days)
        assert told(stores) == []


def test_ending_what_is_not_there_or_is_ended_is_said(held):
    with held.opened() as stores:
        made = token(stores)
        credentials.revoke_token(stores, made.record.credential_id[:5])
        with pytest.raises(UsageError, match="already"):
            credentials.revoke_token(stores, made.record.credential_id)
        for unknown in ("", "zz"):
            with pytest.raises(NotFoundError):
                credentials.revoke_token(stores, unknown)
        with pytest.raises(NotFoundError):
            credentials.lock_account(stores, "Nobody")
