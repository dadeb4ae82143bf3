"""The doorkeeper: from what a caller shows at the web door to who that is.

The invariant: what is shown has to be right. Wrong credentials are refused also where nobody would have been asked for
any; and nobody is let in without proof except where nothing but this machine can connect and no way of proof was ever
set up.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass, field

from retention.catalog.credentials import CredentialKind
from retention.model.errors import TooManyAttemptsError, UnknownCallerError
from retention.services.authorisation import Caller, Method
from retention.services.events import Names
from retention.services.identity.accounts import Accounts
from retention.services.identity.api_tokens import PREFIX, token_of
from retention.services.identity.bearer import BearerTokens
from retention.services.identity.certificates import grants_of
from retention.services.identity.witness import Reason, Witness
from retention.services.people import INGEST, OPERATOR, READER
from retention.services.stores import PROGRAM, Stores

HEADER_CHARACTERS = 12_000


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller shows: the Authorization header, names in a certificate, where it comes from."""

    authorization: str | None = field(default=None, repr=False)
    names: Collection[str] = ()
    address: str = ""


class Doorkeeper:
    """Knows callers. Used by many threads."""

    def __init__(
        self, stores: Stores, witness: Witness, *, is_local: bool, accounts: Accounts | None = None
    ) -> None:
        """`is_local`: only this machine can connect. Raises SettingsError for a provider that cannot be used."""
        self._stores = stores
        self._witness = witness
        self._is_local = is_local
        self._accounts = accounts or Accounts(stores)
        self._bearers = BearerTokens(stores)

    def caller_of(self, shown: Shown) -> Caller:
        """Return who asks.

        Raises UnknownCallerError, TooManyAttemptsError, BusyError, ArchiveError when a provider's keys cannot be had.
        """
        if shown.authorization is not None:
            caller = self._of_header(shown)
        elif shown.names:
            caller = self._of_certificate(shown)
        elif self._is_local and is_open(self._stores):
            roles = (READER, INGEST, OPERATOR)
            return Caller(PROGRAM, Method.LOCAL, frozenset((None, role) for role in roles))
        else:
            raise UnknownCallerError(
                "say who you are", hint="a token or an account, in the header Authorization"
            )
        self._witness.came_in(caller)
        return caller

    def _of_header(self, shown: Shown) -> Caller:
        scheme, _, value = (shown.authorization or "").partition(" ")
        reason, value = _reason(scheme.lower(), value.strip()), value.strip()
        try:
            return self._of_credentials(reason, value, shown.address)
        except TooManyAttemptsError:
            self._witness.refused(Reason.LOCKED, shown.address)
            raise
        except UnknownCallerError:
            self._witness.refused(reason, shown.address)
            raise

    def _of_credentials(self, reason: Reason, value: str, address: str) -> Caller:
        match reason:
            case Reason.TOKEN:
                return self._of_token(value)
            case Reason.BEARER:
                return self._bearers.caller_of(value)
            case Reason.PASSWORD:
                name, password = _pair(value)
                return self._accounts.caller_of(name, password, address)
            case _:
                raise UnknownCallerError("these credentials are of no kind that is known here")

    def _of_token(self, text: str) -> Caller:
        token = token_of(text)
        if token is None:
            raise UnknownCallerError("the token does not count here")
        record = self._stores.catalog.credentials.get(CredentialKind.TOKEN, token.token_id)
        is_proven = token.is_proven_by(record)
        if record is None or not is_proven:
            raise UnknownCallerError("the token does not count here")
        if record.locked_at is not None:
            raise UnknownCallerError("the token was revoked")
        if record.until_at is None or record.until_at <= self._stores.clock.now():
            raise UnknownCallerError("the token has expired")
        return Caller(f"token-{record.credential_id}", Method.TOKEN, frozenset(record.grants))

    def _of_certificate(self, shown: Shown) -> Caller:
        grants = grants_of(self._stores, self._stores.settings.access, shown.names)
        if not grants:
            self._witness.refused(Reason.CERTIFICATE, shown.address)
            raise UnknownCallerError("the certificate names nobody who is known here")
        names = Names(self._stores.keyring.index_key.secret)
        return Caller(names.caller("certificate", *sorted(shown.names)), Method.CERTIFICATE, grants)


def is_open(stores: Stores) -> bool:
    """Whether nobody was ever given a way to prove who he is: no token, no account, no certificate (where one could be
    shown), no provider."""
    access, web = stores.settings.access, stores.settings.web
    asks = web is not None and web.tls is not None and web.tls.clients is not None
    by_certificate = asks and bool(access.certificates)
    return not access.providers and not by_certificate and stores.catalog.credentials.count() == 0


def _reason(scheme: str, value: str) -> Reason:
    """Return what kind of credentials these are: the reason why they may be refused."""
    if len(value) > HEADER_CHARACTERS:
        return Reason.SCHEME
    if scheme == "bearer":
        return Reason.TOKEN if value.startswith(PREFIX) else Reason.BEARER
    return Reason.PASSWORD if scheme == "basic" else Reason.SCHEME


def _pair(value: str) -> tuple[str, str]:
    """Return name and password of Basic credentials (RFC 7617). Raises UnknownCallerError."""
    try:
        name, colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise UnknownCallerError("the credentials are malformed") from None
    if not colon:
        raise UnknownCallerError("the credentials are malformed")
    return name, password
