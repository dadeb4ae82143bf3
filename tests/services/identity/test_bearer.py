"""Tokens of providers: which are taken, and the classic ways of forging one."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from retention.model.errors import SettingsError, UnknownCallerError
from retention.model.layout import AccessSpec, ClaimGrant, ProviderSpec
from retention.services.identity.bearer import LONGEST_S, SKEW_S, BearerTokens

ISSUER = "https://sso.example/realms/chu"
RSA = generate_private_key(65537, 2048)
OTHER_RSA = generate_private_key(65537, 2048)
SHORT_RSA = generate_private_key(65537, 1024)  # noqa: S505  # that it is refused is what is tested
ED = Ed25519PrivateKey.generate()


def jwk(public, **more):
    algorithm = (
        OKPAlgorithm if public is ED.public_key() or "Ed25519" in type(public).__name__ else RSAAlgorithm
    )
    return {**json.loads(algorithm.to_jwk(public)), **more}


KEYS = [
    jwk(RSA.public_key(), kid="rsa", use="sig"),
    jwk(ED.public_key(), kid="ed"),
    jwk(SHORT_RSA.public_key(), kid="short"),
    jwk(OTHER_RSA.public_key(), kid="enc", use="enc"),
    jwk(OTHER_RSA.public_key(), kid="other-alg", alg="PS256"),
    {"kty": "oct", "kid": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
    {"kty": "RSA", "kid": "nonsense", "n": 7, "e": []},
    "no key",
]
GRANTS = (
    ClaimGrant("realm_access.roles", "radiology", "necker", ("reader",)),
    ClaimGrant("scope", "store", "necker", ("ingest",)),
    ClaimGrant("https://chu.example/role", "dim", "necker", ("auditor",)),
    ClaimGrant("groups", "elsewhere", "unmade", ("reader",)),
)


@pytest.fixture
def stores(held):
    (held.root / "secrets" / "sso.jwks").write_text(json.dumps({"keys": KEYS}))
    provider = ProviderSpec("sso", ISSUER, "retention", GRANTS, "secrets/sso.jwks")
    with held.opened() as stores:
        stores.settings = replace(stores.settings, access=AccessSpec({}, {"sso": provider}))
        yield stores


@pytest.fixture
def bearers(stores):
    return BearerTokens(stores)


@pytest.fixture
def claims(stores):
    now = int(stores.clock.now().timestamp())
    return {
        "iss": ISSUER,
        "aud": ["account", "retention"],
        "sub": "7f3a",
        "iat": now,
        "exp": now + 300,
        "realm_access": {"roles": ["radiology", 7]},
        "scope": "openid store",
    }


def rs256(claims, key=RSA, kid: str | None = "rsa", **headers):
    """A token signed by hand: no library would sign all that is tried here."""
    header = {"alg": "RS256", "typ": "JWT", **({"kid": kid} if kid else {}), **headers}
    signed = part(header) + b"." + part(claims)
    signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def with_hmac(claims, secret, **headers):
    """HS256, by hand: no library would make one with a public key."""
    signed = part({"alg": "HS256", "typ": "JWT", **headers}) + b"." + part(claims)
    mac = base64.urlsafe_b64encode(hmac.digest(secret, signed, hashlib.sha256)).rstrip(b"=")
    return (signed + b"." + mac).decode()


def test_rs256_and_eddsa_are_taken_with_what_the_claims_grant(bearers, claims, stores):
    (necker,) = (record.institution_id for record in stores.catalog.institutions())
    by_rsa = bearers.caller_of(rs256(claims))
    by_ed = bearers.caller_of(jwt.encode(claims, ED, "EdDSA", {"kid": "ed"}))
    assert by_rsa == by_ed
    assert by_rsa.grants == {(necker, "reader"), (necker, "ingest")}
    assert by_rsa.actor.startswith("subject-")
    assert "7f3a" not in by_rsa.actor
    claims |= {"https://chu.example/role": "dim", "groups": ["elsewhere"], "scope": "restore", "sub": "8"}
    other = bearers.caller_of(rs256(claims))
    assert other.grants == {(necker, "reader"), (necker, "auditor")}
    assert other.actor != by_rsa.actor


def test_a_token_without_any_grant_is_somebody_who_may_nothing(bearers, claims):
    del claims["realm_access"], claims["scope"]
    assert bearers.caller_of(rs256(claims)).grants == frozenset()


PUBLIC_PEM = RSA.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
FORGED = {
    "none": lambda c: (part({"alg": "none", "kid": "rsa"}) + b"." + part(c) + b".").decode(),
    "None": lambda c: (part({"alg": "None", "kid": "rsa"}) + b"." + part(c) + b".").decode(),
    "no algorithm": lambda c: (part({"kid": "rsa"}) + b"." + part(c) + b".").decode(),
    "an algorithm that is no text": lambda c: (
        part({"alg": ["RS256"], "kid": "rsa"}) + b"." + part(c) + b"."
    ).decode(),
    "HS256 with the public key": lambda c: with_hmac(c, PUBLIC_PEM, kid="rsa"),
    "HS256 with a key of the set": lambda c: with_hmac(c, b"secretsecretsecretsecret", kid="oct"),
    "another key": lambda c: rs256(c, OTHER_RSA),
    "a key that is too short": lambda c: rs256(c, SHORT_RSA, "short"),
    "a key for encryption": lambda c: rs256(c, OTHER_RSA, "enc"),
    "a key for another algorithm": lambda c: rs256(c, OTHER_RSA, "other-alg"),
    "EdDSA under the name of the RSA key": lambda c: jwt.encode(c, ED, "EdDSA", {"kid": "rsa"}),
    "RS384": lambda c: jwt.encode(c, RSA, "RS384", {"kid": "rsa"}),
    "PS256": lambda c: jwt.encode(c, RSA, "PS256", {"kid": "rsa"}),
    "an unknown key id": lambda c: rs256(c, kid="rsa2"),
    "a key id that is a path": lambda c: rs256(c, kid="../../secrets/root.key"),
    "no key id": lambda c: rs256(c, kid=None),
    "crit": lambda c: rs256(c, crit=["x"], x=1),
    "its own key in the header": lambda c: rs256(
        c, OTHER_RSA, "mine", jwk=jwk(OTHER_RSA.public_key(), kid="mine")
    ),
    "a key's address in the header": lambda c: rs256(c, OTHER_RSA, "mine", jku="https://evil.example/keys"),
    "a changed payload": lambda c: rs256(c).replace(part(c).decode(), part({**c, "sub": "admin"}).decode()),
    "no signature": lambda c: rs256(c).rpartition(".")[0] + ".",
    "too long": lambda c: rs256({**c, "x": "x" * 10_000}),
    "nothing": lambda _: "",
    "two parts": lambda c: rs256(c).rpartition(".")[0],
    "no JSON": lambda _: "e30.e.e",
    "deep JSON": lambda _: base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30",
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_token_is_refused_in_the_same_words(bearers, claims, forged):
    with pytest.raises(UnknownCallerError) as caught:
        bearers.caller_of(FORGED[forged](claims))
    assert caught.value.message == "the token does not count here"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"aud": []},
        {"aud": None},
        {"iss": "https://sso.example/realms/chu/"},
        {"iss": "https://evil.example"},
        {"iss": ["https://sso.example/realms/chu"]},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"exp": "soon"},
        {"exp": True},
        {"iat": 1e400},
    ],
    ids=str,
)
def test_a_token_that_does_not_say_all_that_it_has_to_is_refused(bearers, claims, changes):
    changed = {name: value for name, value in (claims | changes).items() if value is not None}
    with pytest.raises(UnknownCallerError):
        bearers.caller_of(rs256(changed))


@pytest.mark.parametrize(
    ("made", "until", "is_taken"),
    [
        (0, 300, True),
        (SKEW_S - 5, 300, True),
        (SKEW_S + 5, 300, False),
        (-300, -SKEW_S + 5, True),
        (-300, -SKEW_S - 5, False),
        (-LONGEST_S + 5, 10**9, True),
        (-LONGEST_S - 5, 10**9, False),
    ],
)
def test_it_counts_from_when_it_was_made_until_it_ends_and_never_for_long(
    bearers, claims, made, until, is_taken
):
    now = claims["iat"]
    token = rs256(claims | {"iat": now + made, "exp": now + until})
    if is_taken:
        bearers.caller_of(token)
    else:
        with pytest.raises(UnknownCallerError):
            bearers.caller_of(token)


@pytest.mark.parametrize(
    "odd",
    [
        {"sub": "\ud800"},
        {"iat": -(10**400)},
        {"exp": 10**400},
        {"nbf": -(10**400)},
        {"iat": float("nan")},
        {"exp": float("nan")},
    ],
    ids=["sub", "iat", "exp", "nbf", "no iat", "no exp"],
)
def test_claims_that_cannot_be_are_refused_and_break_nothing(bearers, claims, odd):
    with contextlib.suppress(UnknownCallerError):
        bearers.caller_of(rs256({**claims, **odd}))


def test_not_before(bearers, claims):
    with pytest.raises(UnknownCallerError):
        bearers.caller_of(rs256(claims | {"nbf": claims["iat"] + SKEW_S + 5}))


@pytest.mark.parametrize("text", [None, "", "{}", '{"keys": {}}', "[1", '{"keys": [' + "{}," * 200 + "{}]}"])
def test_a_file_without_keys_is_a_fault_of_the_settings(stores, text):
    path = stores.root / "secrets" / "sso.jwks"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(SettingsError, match=r"secrets/sso\.jwks"):
        BearerTokens(stores)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
BOUNDED = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@BOUNDED
@given(st.integers(0, 10_000), st.sampled_from("AZaz09-_.=+/ \0é"))
def test_no_changed_letter_makes_it_somebody_else(bearers, claims, place, letter):
    token = rs256(claims)
    place %= len(token)
    try:
        caller = bearers.caller_of(token[:place] + letter + token[place + 1 :])
    except UnknownCallerError:
        return
    assert caller == bearers.caller_of(token)  # the last bits of a base64 text say nothing


@BOUNDED
@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "b64", "zip"]), JSON),
    st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf", "scope"]), JSON),
)
def test_whatever_a_header_and_claims_are_nothing_breaks(bearers, claims, header, changes):
    for signed in (header, {"alg": "RS256", "kid": "rsa", **header}):
        head, body = part(signed), part({**claims, **changes})
        signature = RSA.sign(head + b"." + body, padding.PKCS1v15(), hashes.SHA256())
        token = b".".join((head, body, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()
        with contextlib.suppress(UnknownCallerError):
            bearers.caller_of(token)
