"""Access tokens of OpenID Connect providers: JSON Web Tokens (RFC 7519, RFC 8725), RS256 and EdDSA, nothing else.

The invariant: the algorithm is one of two and fits the kind of the provider's key; a token that does not say who it is
for, who made it, about whom and until when counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jwt
from jwt.exceptions import InvalidTokenError

from retention.catalog.people import RoleAt
from retention.model.errors import UnknownCallerError
from retention.model.layout import ProviderSpec
from retention.services.authorisation import Caller, Method
from retention.services.events import Names
from retention.services.identity.provider_keys import ProviderKeys, keys_of
from retention.services.stores import Stores

ALGORITHMS = ("RS256", "EdDSA")
TOKEN_CHARACTERS = 8192
SKEW_S = 30
LONGEST_S = 12 * 3600
"""So long after it was made a token still counts, whatever it says."""

_WORDS = frozenset({"scope", "scp"})
"""Claims that are several words in one text (RFC 8693 §4.2)."""

_REQUIRED = ["iss", "aud", "sub", "exp", "iat"]


class BearerTokens:
    """Checks tokens of the providers that archive.yaml names."""

    def __init__(self, stores: Stores) -> None:
        """Raises SettingsError for a provider whose keys cannot be used."""
        self._stores = stores
        self._providers: dict[str, tuple[ProviderSpec, ProviderKeys]] = {
            spec.issuer: (spec, keys_of(spec, stores.root, stores.clock))
            for spec in stores.settings.access.providers.values()
        }

    def caller_of(self, token: str) -> Caller:
        """Return whose token it is. Raises UnknownCallerError, ArchiveError when keys cannot be had."""
        if len(token) > TOKEN_CHARACTERS or not self._providers:
            raise _refused()
        try:
            claims, spec = self._verified(token)
            self._require_time(claims)
            actor = Names(self._stores.keyring.index_key.secret).caller(
                "subject", spec.issuer, str(claims["sub"])
            )
        except (InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _refused() from error
        return Caller(actor, Method.PROVIDER, self._grants(spec, claims))

    def _verified(self, token: str) -> tuple[dict[str, Any], ProviderSpec]:
        header = jwt.get_unverified_header(token)
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(key_id, str) or "crit" in header:
            raise _refused()
        unproven = jwt.decode(token, options={"verify_signature": False})
        spec, keys = self._providers.get(str(unproven.get("iss")), (None, None))
        if spec is None or keys is None:
            raise _refused()
        key = keys.key(key_id, algorithm)
        if key is None:
            raise _refused()
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=spec.audience,
            issuer=spec.issuer,
            options={
                "require": _REQUIRED,
                "verify_exp": False,  # by the archive's own clock, below
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        return claims, spec

    def _require_time(self, claims: Mapping[str, Any]) -> None:
        now = self._stores.clock.now().timestamp()
        made, until, since = claims["iat"], claims["exp"], claims.get("nbf", claims["iat"])
        if not all(
            isinstance(each, int | float) and not isinstance(each, bool) for each in (made, until, since)
        ):
            raise _refused()
        is_now = made - SKEW_S <= now and since - SKEW_S <= now < until + SKEW_S
        if not is_now or now - made > LONGEST_S:
            raise _refused("the token is not valid now")

    def _grants(self, spec: ProviderSpec, claims: Mapping[str, Any]) -> frozenset[RoleAt]:
        ids = {record.spec.name: record.institution_id for record in self._stores.catalog.institutions()}
        return frozenset(
            (ids[grant.institution], role)
            for grant in spec.grants
            if grant.institution in ids and grant.value in _values(claims, grant.claim)
            for role in grant.roles
        )


def _values(claims: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the texts that a claim has; its name may be a whole one, or lead inside by dots."""
    found: Any = claims
    if name in claims:
        found = claims[name]
    else:
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        yield from found.split() if name in _WORDS else [found]
    elif isinstance(found, list):
        yield from (each for each in found if isinstance(each, str))


def _refused(why: str = "the token does not count here") -> UnknownCallerError:
    return UnknownCallerError(why)
