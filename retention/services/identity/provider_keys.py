"""The public keys of a provider: from a file, or by its discovery document (OpenID Connect Discovery 1.0 §4).

The invariants: a key is used for the algorithm that its own kind allows, whatever a token says; and whoever sends
tokens with invented key ids makes the archive ask the provider once a minute, not more.
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any, Protocol

from jwt import PyJWK
from jwt.exceptions import PyJWKError, PyJWTError

from retention.model.clock import Clock
from retention.model.errors import ArchiveError, SettingsError
from retention.model.layout import ProviderSpec
from retention.services.identity.fetching import Fetch, fetcher

FRESH_S = 600.0
"""After which keys are asked for again; when nobody answers, the known ones count on."""

STALE_S = 86_400.0
"""After which they do not."""

ASK_AGAIN_S = 60.0
WAIT_S = 5.0
"""For the first answer, while another caller asks for it."""

KEYS = 100
RSA_BITS = 2048
DISCOVERY = "/.well-known/openid-configuration"

_KINDS = {"RS256": "RSA", "EdDSA": "OKP"}
_LOG = logging.getLogger(__name__)


class ProviderKeys(Protocol):
    """Where a provider's keys are looked up."""

    def key(self, key_id: str, algorithm: str) -> PyJWK | None:
        """Return the key of that id for that algorithm, None if there is none. Raises ArchiveError."""
        ...


def keys_of(spec: ProviderSpec, root: Path, clock: Clock) -> ProviderKeys:
    """Return the keys of a provider. Raises SettingsError for a file that has none, ArchiveError."""
    if spec.keys is None:
        authorities = None if spec.authorities is None else root / spec.authorities
        return FetchedKeys(spec, fetcher(clock, authorities), clock)
    path = root / spec.keys
    try:
        return FileKeys(usable(json.loads(path.read_bytes())))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the keys of {spec.name} cannot be read from {spec.keys}: {error}",
            hint="a JSON Web Key Set (RFC 7517), named relative to the archive's folder",
        ) from error


class FileKeys:
    """Keys that change when the archive is served anew."""

    def __init__(self, keys: dict[tuple[str, str], PyJWK]) -> None:
        self._keys = keys

    def key(self, key_id: str, algorithm: str) -> PyJWK | None:
        return self._keys.get((key_id, algorithm))


class FetchedKeys:
    """Keys that are asked for when they are needed. Used by many threads; one asks at a time, the others go on."""

    def __init__(self, spec: ProviderSpec, fetch: Fetch, clock: Clock) -> None:
        self._spec = spec
        self._fetch = fetch
        self._clock = clock
        self._asking = threading.Lock()
        self._keys: dict[tuple[str, str], PyJWK] = {}
        self._fetched_s: float | None = None
        self._asked_s: float | None = None

    def key(self, key_id: str, algorithm: str) -> PyJWK | None:
        found = self._keys.get((key_id, algorithm))
        if found is None or self._is_older_than(FRESH_S):
            self._ask(wait_s=0.0 if self._keys else WAIT_S)
            found = self._keys.get((key_id, algorithm))
        if self._is_older_than(STALE_S):
            raise ArchiveError(
                f"the keys of {self._spec.name} cannot be had",
                hint=f"does {self._spec.issuer} answer over https?",
            )
        return found

    def _ask(self, wait_s: float) -> None:
        """Ask, unless somebody is asking: whoever needs a key that is known does not wait for one that is not."""
        if not self._asking.acquire(blocking=wait_s > 0, timeout=wait_s or -1):
            return
        try:
            now_s = self._clock.monotonic_s()
            if self._asked_s is not None and now_s - self._asked_s < ASK_AGAIN_S:
                return
            self._asked_s = now_s
            self._keys = self._fetched()
            self._fetched_s = now_s
        except ArchiveError as error:
            _LOG.warning("%s", error.message)
        finally:
            self._asking.release()

    def _fetched(self) -> dict[tuple[str, str], PyJWK]:
        issuer = self._spec.issuer
        discovered = self._fetch(issuer.rstrip("/") + DISCOVERY)
        if discovered.get("issuer") != issuer:
            raise ArchiveError(f"{issuer} calls itself something else in its discovery document")
        address = discovered.get("jwks_uri")
        if not isinstance(address, str):
            raise ArchiveError(f"{issuer} does not say where its keys are")
        try:
            return usable(self._fetch(address))
        except ValueError as error:
            raise ArchiveError(f"{address}: {error}") from error

    def _is_older_than(self, age_s: float) -> bool:
        return self._fetched_s is None or self._clock.monotonic_s() - self._fetched_s > age_s


def usable(document: Any) -> dict[tuple[str, str], PyJWK]:  # noqa: ANN401  # whatever JSON it is
    """Return the keys of a set that verify signatures here, by id and algorithm. Raises ValueError for no set."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > KEYS:
        raise ValueError("this is no set of keys")
    found: dict[tuple[str, str], PyJWK] = {}
    for member in listed:
        for algorithm in _KINDS:
            key = _key(member, algorithm)
            if key is not None and key.key_id is not None:
                found.setdefault((key.key_id, algorithm), key)
    return found


def _key(member: object, algorithm: str) -> PyJWK | None:
    if not isinstance(member, dict) or member.get("kty") != _KINDS[algorithm] or "d" in member:
        return None
    says_other = (
        member.get("alg", algorithm) not in (algorithm, "Ed25519") or member.get("use", "sig") != "sig"
    )
    operations = member.get("key_ops", ["verify"])
    if says_other or not isinstance(operations, list) or "verify" not in operations:
        return None
    if algorithm == "EdDSA" and member.get("crv") != "Ed25519":
        return None
    if not isinstance(member.get("kid"), str):
        return None
    try:
        key = PyJWK({**member, "alg": algorithm}, algorithm)
    except (PyJWKError, PyJWTError, ValueError, TypeError):
        return None
    is_short = algorithm == "RS256" and key.key.key_size < RSA_BITS
    return None if is_short else key
