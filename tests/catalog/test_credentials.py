"""Tokens and accounts in the catalog: doing the same twice changes nothing, and what was granted never changes."""

from __future__ import annotations

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.credentials import CredentialKind, CredentialRecord
from retention.model.errors import WriteOnceError
from retention.model.identifiers import InstitutionId
from tests.catalog.making import AT, DAY

GRANTS = ((InstitutionId("a" * 32), "reader"), (None, "operator"))
TOKEN = CredentialRecord(
    "1" * 16, CredentialKind.TOKEN, "vi\u00e9wer", bytes(32), GRANTS, AT, AT + DAY, None, 3
)
ACCOUNT = CredentialRecord("2" * 32, CredentialKind.ACCOUNT, "Anne", b"$argon2id$", (), AT, None, None, 4)


@pytest.fixture
def filled(catalog: Catalog):
    for _ in range(2):
        with catalog.transaction() as tx:
            tx.credentials.add(TOKEN)
            tx.credentials.add(ACCOUNT)
    return catalog


def test_they_are_read_as_they_were_written_each_by_its_kind(filled):
    known = filled.credentials
    assert known.count() == 2
    assert known.all(CredentialKind.TOKEN) == [TOKEN]
    assert known.get(CredentialKind.ACCOUNT, ACCOUNT.credential_id) == ACCOUNT
    assert known.get(CredentialKind.ACCOUNT, TOKEN.credential_id) is None
    assert known.get(CredentialKind.TOKEN, "3") is None


def test_an_account_is_locked_and_unlocked_a_token_is_revoked_once(filled):
    with filled.transaction() as tx:
        tx.credentials.lock(ACCOUNT.credential_id, AT)
        tx.credentials.lock(ACCOUNT.credential_id, None)
        tx.credentials.set_secret(ACCOUNT.credential_id, None)
        tx.credentials.lock(TOKEN.credential_id, AT)
        tx.credentials.lock(TOKEN.credential_id, AT)
    account = filled.credentials.get(CredentialKind.ACCOUNT, ACCOUNT.credential_id)
    assert (account.locked_at, account.secret) == (None, None)
    with pytest.raises(WriteOnceError, match="revoked once"), filled.transaction() as tx:
        tx.credentials.lock(TOKEN.credential_id, None)
    with pytest.raises(ValueError, match="not known"), filled.transaction() as tx:
        tx.credentials.lock("4", AT)


def test_what_was_granted_never_changes(filled):
    with pytest.raises(WriteOnceError), filled._database.write() as connection:
        connection.exec_driver_sql("UPDATE credential SET grants = '[[null, \"administrator\"]]'")
