"""Key records: one line for each wrapped key, or for a key that was forgotten (docs/journal.md §4.3).

A record's check finds damage; that it is ours is proven only by its parent key (`KeyRecord.secret`, `is_forgotten`).
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field, replace
from enum import StrEnum

from blake3 import blake3

from retention.keyring.wrapping import seal, unseal
from retention.model.canonical import JsonValue, canonical_json, parse_canonical
from retention.model.digests import blake3_digest, keyed_digest
from retention.model.identifiers import KeyId, is_id

CHECK_BYTES = 4
PROOF_BYTES = 16
_CHECK_DIGITS = 2 * CHECK_BYTES


class KeyKind(StrEnum):
    ROOT = "root"
    INDEX = "index"
    INSTITUTION = "institution"
    PAYLOAD = "payload"
    PACKAGE = "package"
    PATIENT = "patient"


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """A key that wraps others. Of two wrappings of one key, that under the higher `generation` is the newer one."""

    key_id: KeyId
    secret: bytes = field(repr=False)
    generation: int = 0


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key as it lies in the keyring: wrapped by its parent, or forgotten.

    `owner` is the institution (the archive, for root and index key). Exactly one of `wrapped` (nonce, ciphertext, tag)
    and `forgotten` (the proof) is set. `generation` counts the keys of one institution; no other kind has it.
    """

    kind: KeyKind
    key_id: KeyId
    owner: str
    parent: KeyId
    wrapped: bytes | None = field(default=None, repr=False)
    forgotten: bytes | None = None
    generation: int | None = None

    @classmethod
    def wrap(
        cls,
        kind: KeyKind,
        key_id: KeyId,
        owner: str,
        parent: KeyId,
        *,
        secret: bytes,
        under: bytes,
        generation: int | None = None,
    ) -> KeyRecord:
        """Return the record of a key wrapped `under` its parent's secret."""
        bare = cls(kind, key_id, owner, parent, generation=generation)
        return replace(bare, wrapped=seal(under, secret, bare.binding("key")))

    def forget(self, under: bytes) -> KeyRecord:
        """Return what takes this record's place when its key is forgotten."""
        return replace(self, wrapped=None, forgotten=self._proof(under))

    def moved(self, old: WrappingKey, new: WrappingKey) -> KeyRecord | None:
        """Return this under another parent, be it forgotten; None when the old one does not prove it."""
        bare = replace(self, parent=new.key_id, wrapped=None, forgotten=None)
        if self.is_forgotten(old.secret):
            return bare.forget(new.secret)
        secret = self.secret(old.secret)
        if secret is None:
            return None
        return replace(bare, wrapped=seal(new.secret, secret, bare.binding("key")))

    def secret(self, under: bytes) -> bytes | None:
        """Return the key; None when it is forgotten or the parent's secret `under` does not open it."""
        return None if self.wrapped is None else unseal(under, self.wrapped, self.binding("key"))

    def is_forgotten(self, under: bytes) -> bool:
        """Whether this says, proven by the parent's secret `under`, that the key was forgotten."""
        return self.forgotten is not None and hmac.compare_digest(self.forgotten, self._proof(under))

    def binding(self, purpose: str) -> bytes:
        said = f"retention/{purpose}/v1|{self.kind}|{self.key_id}|{self.owner}|{self.parent}"
        return (said if self.generation is None else f"{said}|{self.generation}").encode("ascii")

    def is_seen_in(self, damaged: bytes) -> bool:
        """Whether damaged bytes still show this record's identifier or its secret part."""
        return record_mark(self.key_id) in damaged or self._secret_part() in damaged

    def line(self) -> bytes:
        """Return the record as it lies in a file, with its newline."""
        name = "forgotten" if self.wrapped is None else "wrapped"
        numbered: dict[str, JsonValue] = {} if self.generation is None else {"generation": self.generation}
        text = canonical_json(
            {
                "id": self.key_id,
                "kind": self.kind.value,
                "owner": self.owner,
                "parent": self.parent,
                name: self._secret_part().decode("ascii"),
            }
            | numbered
        )
        return _check(text) + b" " + text + b"\n"

    def _secret_part(self) -> bytes:
        if self.wrapped is not None:
            return base64.b64encode(self.wrapped)
        return (self.forgotten or b"").hex().encode("ascii")

    def _proof(self, under: bytes) -> bytes:
        key = blake3(under, derive_key_context="retention v1 forgotten").digest()
        return keyed_digest(key, self.binding("forgotten"), PROOF_BYTES)


def parse_record(line: bytes) -> KeyRecord | None:
    """Read a line (without newline); None when it does not count: damaged, or not in this form."""
    text = line[_CHECK_DIGITS + 1 :]
    if line[:_CHECK_DIGITS] != _check(text) or line[_CHECK_DIGITS : _CHECK_DIGITS + 1] != b" ":
        return None
    try:
        return _record(parse_canonical(text))
    except ValueError:
        return None


_MARK_START = b'"id":"'
_MARK_BYTES = len(_MARK_START) + 33  # an identifier and the quotation mark behind it


def record_mark(key_id: KeyId) -> bytes:
    """Return what stands in the line of this key and in no other line."""
    return f'"id":"{key_id}"'.encode("ascii")


def marked(line: bytes) -> bytes:
    """Return the mark in a line; what has none is found by nobody."""
    at = line.find(_MARK_START)
    return line[at : at + _MARK_BYTES] if at >= 0 else b""


def _record(value: object) -> KeyRecord | None:
    match value:
        case {"kind": str(kind), "id": str(key_id), "owner": str(owner), "parent": str(parent), **rest}:
            if not (is_id(key_id) and is_id(owner) and is_id(parent)):
                return None
            generation = _generation(kind, rest.pop("generation", None))
            bare = KeyRecord(KeyKind(kind), KeyId(key_id), owner, KeyId(parent), generation=generation)
            match rest:
                case {"wrapped": str(wrapped)} if len(rest) == 1:
                    return replace(bare, wrapped=base64.b64decode(wrapped, validate=True))
                case {"forgotten": str(proof)} if len(rest) == 1:
                    return replace(bare, forgotten=bytes.fromhex(proof))
    return None


def _generation(kind: str, value: object) -> int | None:
    """Return which generation a key says it is. Raises ValueError unless exactly an institution's key says so."""
    if kind != KeyKind.INSTITUTION and value is None:
        return None
    if kind != KeyKind.INSTITUTION or not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("only an institution's key has a generation, from 1 on")
    return value


def _check(text: bytes) -> bytes:
    return blake3_digest(text)[:CHECK_BYTES].hex().encode("ascii")
