"""The doctor's look at clocks, tokens, providers and keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.model.layout import AccessSpec, ClaimGrant, DimseSpec, ProviderSpec, TlsSpec
from retention.services import access_doctor
from retention.services.access_doctor import examine_access
from retention.services.doctor import CheckStatus
from tests.services.identity.test_credentials import token


@pytest.fixture(autouse=True)
def synchronised(monkeypatch):
    monkeypatch.setattr(access_doctor, "is_unsynchronised", lambda: False)


def found(stores):
    return {check.name: check for check in examine_access(stores)}


def test_a_clock_is_judged_by_the_journal_and_by_the_system(held, monkeypatch):
    with held.opened() as stores:
        assert found(stores)["clock"].status is CheckStatus.OK
        monkeypatch.setattr(access_doctor, "is_unsynchronised", lambda: True)
        assert found(stores)["clock"].status is CheckStatus.WARNING
        stores.clock = RehearsalClock(stores.clock.now() - timedelta(days=1))
        assert found(stores)["clock"].status is CheckStatus.FAILED


def test_the_system_can_be_asked():
    assert access_doctor.is_unsynchronised() in (True, False)


def test_a_token_that_ends_soon_is_named(held):
    with held.opened() as stores:
        assert "tokens" not in found(stores)
        token(stores, days=100)
        assert found(stores)["tokens"].status is CheckStatus.OK
        made = token(stores, days=3)
        assert made.record.credential_id in found(stores)["tokens"].detail


def test_a_provider_without_keys_and_a_key_for_all_to_read_are_failures(held):
    grants = (ClaimGrant("a", "b", "necker", ("reader",)),)
    provider = ProviderSpec("sso", "https://sso.example", "x", grants, "secrets/none.jwks")
    key = held.root / "secrets" / "door.key"
    key.touch(mode=0o600)
    with held.opened() as stores:
        stores.settings = replace(
            stores.settings,
            access=AccessSpec({}, {"sso": provider}),
            dimse=DimseSpec(tls=TlsSpec("door.pem", "secrets/door.key")),
        )
        assert found(stores)["provider sso"].is_failed
        assert "key of a door" not in found(stores)
        key.chmod(0o644)
        assert found(stores)["key of a door"].is_failed
