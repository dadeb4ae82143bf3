"""Who comes in by name and password: the accounts that the archive keeps itself.

The invariants: what is answered and how long it takes do not tell whether there is such an account; who fails too often
is not listened to for a while. A password that was right is not hashed again at each request of the same caller.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from hashlib import blake2b

from retention.catalog.credentials import CredentialKind, CredentialRecord
from retention.catalog.people import RoleAt
from retention.model.errors import UnknownCallerError, UsageError
from retention.model.identifiers import new_id
from retention.services.authorisation import Caller, Method
from retention.services.events import PERSON_PREFIX, person_name
from retention.services.identity.attempts import Attempts
from retention.services.identity.credentials import account_id_of
from retention.services.identity.passwords import Passwords
from retention.services.stores import Stores

BY_ACCOUNT, BY_ADDRESS = 5, 50
"""Failures that are allowed; behind one address there may be a whole hospital."""

REMEMBERED = 1000
REMEMBERED_S = 300.0


class Accounts:
    """Checks names and passwords. Used by many threads."""

    def __init__(self, stores: Stores, passwords: Passwords | None = None) -> None:
        self._stores = stores
        self._passwords = passwords or Passwords()
        self._of_account = Attempts(stores.clock, BY_ACCOUNT)
        self._of_address = Attempts(stores.clock, BY_ADDRESS)
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._chance = new_id().encode()

    def caller_of(self, name: str, password: str, address: str) -> Caller:
        """Return whose account it is.

        Raises UnknownCallerError, TooManyAttemptsError, BusyError when too many are asking.
        """
        record, account_id = self._record(name)
        network = network_of(address)
        secret = None if record is None or record.locked_at is not None else record.secret
        known = self._digest(account_id, secret, password)
        if secret is None or not self._is_remembered(known):
            self._of_account.require_open(account_id)
            self._of_address.require_open(network)
            if not self._passwords.is_right(secret, password):
                self._of_account.failed(account_id)
                self._of_address.failed(network)
                raise UnknownCallerError("name and password do not belong together")
            self._of_account.succeeded(account_id)
            self._remember(known)
        return Caller(PERSON_PREFIX + account_id, Method.ACCOUNT, self._grants(record, account_id))

    def _record(self, name: str) -> tuple[CredentialRecord | None, str]:
        """Return the account and its id; of what is no name, an id that no account has."""
        try:
            account_id = account_id_of(self._stores, person_name(name))
        except UsageError:
            account_id = blake2b(name.encode("utf-8", "replace"), digest_size=17).hexdigest()
        return self._stores.catalog.credentials.get(CredentialKind.ACCOUNT, account_id), account_id

    def _grants(self, record: CredentialRecord | None, account_id: str) -> frozenset[RoleAt]:
        if record is not None and record.grants:
            return frozenset(record.grants)
        person = self._stores.catalog.people.get(account_id)
        return frozenset() if person is None else frozenset(person.roles)

    def _digest(self, account_id: str, secret: bytes | None, password: str) -> bytes:
        """Return by what a right password is remembered: another one, or another hash, is another."""
        said = "\0".join((account_id, (secret or b"").hex(), password))
        return blake2b(said.encode("utf-8", "surrogatepass"), key=self._chance, digest_size=32).digest()

    def _is_remembered(self, known: bytes) -> bool:
        with self._lock:
            since_s = self._remembered.get(known)
        return since_s is not None and self._stores.clock.monotonic_s() - since_s < REMEMBERED_S

    def _remember(self, known: bytes) -> None:
        with self._lock:
            self._remembered[known] = self._stores.clock.monotonic_s()
            self._remembered.move_to_end(known)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 a whole /64, which one subscriber has to himself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)
