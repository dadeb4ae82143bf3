"""Who is known at the web door, and who is not."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retention.model.clock import RehearsalClock
from retention.model.errors import TooManyAttemptsError, UnknownCallerError
from retention.model.identifiers import InstitutionId
from retention.model.layout import AccessSpec
from retention.services.authorisation import Method, Need, is_allowed, knows_of
from retention.services.identity import credentials
from retention.services.identity.accounts import BY_ACCOUNT, Accounts
from retention.services.identity.doorkeeper import Doorkeeper, Shown, is_open
from retention.services.identity.witness import Witness
from tests.services.identity.conftest import CheapPasswords
from tests.services.identity.test_credentials import DAY, PASSWORD, necker, token


@pytest.fixture
def stores(held):
    with held.opened() as stores:
        yield stores


def keeper(stores, *, is_local=False):
    return Doorkeeper(stores, Witness(stores), is_local=is_local)


def bearer(text):
    return Shown(f"Bearer {text}", (), "10.0.0.1")


def basic(name, password=PASSWORD, address="10.0.0.1"):
    return Shown("Basic " + base64.b64encode(f"{name}:{password}".encode()).decode(), (), address)


def refused(doorkeeper, shown):
    with pytest.raises(UnknownCallerError) as caught:
        doorkeeper.caller_of(shown)
    return caught.value


def test_a_token_lets_in_with_its_roles_and_no_others(stores):
    made = token(stores)
    caller = keeper(stores).caller_of(bearer(made.token.text))
    assert (caller.method, caller.actor) == (Method.TOKEN, f"token-{made.record.credential_id}")
    assert is_allowed(caller, necker(stores), Need.READ)
    assert not is_allowed(caller, necker(stores), Need.STORE)
    assert not is_allowed(caller, None, Need.OBSERVE)
    assert not knows_of(caller, InstitutionId("another"))


def test_a_token_that_is_changed_revoked_or_old_does_not(stores):
    made, doorkeeper = token(stores), keeper(stores)
    text = made.token.text
    for wrong in (
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        text.upper(),
        text + "0",
        text[:-1],
        "rtk_",
        "",
    ):
        refused(doorkeeper, bearer(wrong))
    stores.clock = RehearsalClock(stores.clock.now() + DAY - timedelta(seconds=1))
    doorkeeper.caller_of(bearer(text))
    stores.clock = RehearsalClock(stores.clock.now() + timedelta(seconds=2))
    assert "expired" in refused(doorkeeper, bearer(text)).message
    other = token(stores)
    credentials.revoke_token(stores, other.record.credential_id)
    assert "revoked" in refused(doorkeeper, bearer(other.token.text)).message


def test_an_account_lets_in_as_the_person_of_its_name(stores):
    credentials.add_account(stores, "Zoé", [necker(stores)], ["reader"], PASSWORD)
    caller = keeper(stores).caller_of(basic("Zoe\u0301"))  # typed on another keyboard
    stores.person = "Zoé"
    assert caller.actor == stores.actor
    assert caller.roles_at(necker(stores)) == {"reader"}


def test_nothing_tells_whether_there_is_an_account(stores):
    credentials.add_account(stores, "Anne", [], ["reader"], PASSWORD)
    credentials.add_account(stores, "Bob", [], ["reader"], PASSWORD)
    credentials.lock_account(stores, "Bob")
    passwords = CheapPasswords()
    accounts = Accounts(stores, passwords)
    doorkeeper = Doorkeeper(stores, Witness(stores), is_local=False, accounts=accounts)
    said = set()
    for number, shown in enumerate(
        (basic("Anne", "wrong" * 3), basic("Nobody"), basic("Bob"), basic("\a")), 1
    ):
        error = refused(doorkeeper, shown)
        said.add((error.message, error.hint, error.code))
        assert passwords.checked == number  # each costs a hash
    assert len(said) == 1


def test_who_fails_too_often_is_not_listened_to_and_whoever_is_in_stays_in(stores):
    credentials.add_account(stores, "Anne", [], ["reader"], PASSWORD)
    doorkeeper = keeper(stores)
    doorkeeper.caller_of(basic("Anne"))
    for name in ("Anne", "Nobody"):
        for _ in range(BY_ACCOUNT):
            refused(doorkeeper, basic(name, "wrong" * 3, "10.6.6.6"))
        with pytest.raises(TooManyAttemptsError) as caught:
            doorkeeper.caller_of(basic(name, "wrong" * 3, "10.7.7.7"))
        assert 0 < caught.value.retry_after_s <= 61
    doorkeeper.caller_of(basic("Anne"))  # was right a moment ago: an attacker locks nobody out who is in


def test_another_password_counts_at_once_and_the_old_one_no_more(stores):
    credentials.add_account(stores, "Anne", [], ["reader"], PASSWORD)
    doorkeeper = keeper(stores)
    doorkeeper.caller_of(basic("Anne"))
    credentials.set_password(stores, "Anne", PASSWORD[::-1])
    refused(doorkeeper, basic("Anne"))
    doorkeeper.caller_of(basic("Anne", PASSWORD[::-1]))
    credentials.lock_account(stores, "Anne")
    refused(doorkeeper, basic("Anne", PASSWORD[::-1]))


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Basic", "Basic !!!", "Basic QQ==", "Negotiate abc", "Bearer " + "x" * 20_000]
)
def test_malformed_credentials_are_refused_even_where_none_would_be_asked_for(stores, header):
    doorkeeper = keeper(stores, is_local=True)
    doorkeeper.caller_of(Shown())
    refused(doorkeeper, Shown(header))


def test_without_proof_only_this_machine_comes_in_and_only_until_there_is_a_way_of_proof(stores):
    assert keeper(stores, is_local=True).caller_of(Shown()).method is Method.LOCAL
    refused(keeper(stores), Shown())
    assert is_open(stores)
    made = token(stores)
    refused(keeper(stores, is_local=True), Shown())
    assert not is_open(stores)
    credentials.revoke_token(stores, made.record.credential_id)
    refused(keeper(stores, is_local=True), Shown())  # a door that was closed does not open by itself


def test_a_certificate_is_worth_what_archive_yaml_says(stores):
    access = AccessSpec({"necker": {"ct1": ("ingest",)}, "unmade": {"ct1": ("reader",)}})
    stores.settings = replace(stores.settings, access=access)
    caller = keeper(stores).caller_of(Shown(None, {"ct1", "other"}, ""))
    assert caller.grants == {(necker(stores), "ingest")}
    assert caller.actor.startswith("certificate-")
    refused(keeper(stores, is_local=True), Shown(None, {"stranger"}, ""))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(["Bearer ", "Basic ", "bearer ", "BASIC  ", "Digest ", ""]),
    st.one_of(
        st.text(max_size=200),
        st.binary(max_size=100).map(lambda data: base64.b64encode(data).decode()),
        st.tuples(st.binary(max_size=60), st.binary(max_size=60)).map(
            lambda parts: ".".join(base64.urlsafe_b64encode(part).decode() for part in (*parts, b"x"))
        ),
        st.from_regex(r"rtk_[0-9a-fx]{15,17}_[0-9a-f]{60,68}", fullmatch=True),
    ),
)
def test_whatever_is_shown_nobody_is_let_in_and_nothing_breaks(stores, scheme, value):
    doorkeeper = keeper(stores, is_local=True)
    with pytest.raises((UnknownCallerError, TooManyAttemptsError)):
        doorkeeper.caller_of(Shown(scheme + value, (), "10.0.0.1"))
