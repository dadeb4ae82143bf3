"""Entries: a public envelope, one canonical line, beside an encrypted payload, one frame (docs/journal.md §3.2, §3.3).

What is written here is evidence for decades, so its form is checked when it is written, and its stored bytes are never
written anew: hashes are over the line as it lies there.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from retention.journal.merkle import leaf_hash
from retention.model.canonical import JsonValue, canonical_json, parse_json
from retention.model.clock import format_instant, parse_instant
from retention.model.digests import blake3_digest
from retention.model.identifiers import InstitutionId, KeyId, is_id

VERSION = 1
LINK_BYTES = 16
SALT_BYTES = 16
FIRST_LINK = bytes(LINK_BYTES)
FRAME_HEAD = struct.Struct("<QI")
FRAME_BYTES = FRAME_HEAD.size + SALT_BYTES + LINK_BYTES
MAX_PAYLOAD_BYTES = 2**32 - 1
MAX_LINE_BYTES = 1 << 20

_ACTION = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}\Z")
_OBJECT_KIND = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")
_OBJECT_ID = re.compile(r"[0-9a-f]{16,64}\Z")
_MEMBERS = frozenset(
    {"v", "seq", "at", "actor", "action", "institution", "objects", "data", "payload", "prev"}
)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is to be written. `objects` are identifiers or keyed digests in hexadecimal, never names or UIDs.

    `payload` is already encrypted, with the key named `payload_key`; the journal keeps it as it is.
    """

    at: datetime
    actor: str
    action: str
    institution: InstitutionId | None = None
    objects: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, JsonValue] = field(default_factory=dict)
    payload: bytes | None = field(default=None, repr=False)
    payload_key: KeyId | None = None


@dataclass(frozen=True, slots=True)
class PayloadReference:
    """What an envelope says of its payload. `digest` is BLAKE3 of salt and payload."""

    digest: bytes
    size_bytes: int
    key_id: KeyId | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """The public part of an entry, as read from its line."""

    seq: int
    at: datetime
    actor: str
    action: str
    institution: InstitutionId | None
    objects: Mapping[str, str]
    data: Mapping[str, JsonValue]
    payload: PayloadReference | None
    prev: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry with its stored bytes: `line` without its newline, whose hash is the leaf of the tree."""

    envelope: Envelope
    line: bytes
    payload: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """One entry in the form in which it is stored."""

    envelope: Envelope
    line: bytes
    frame: bytes
    leaf: bytes


def write_entries(entries: Iterable[NewEntry], seq: int, prev: bytes) -> list[Written]:
    """Return the entries as they will lie on replicas, numbered from `seq`, the first linked to `prev`.

    Raises ValueError when one is not in the form of docs/journal.md.
    """
    written = []
    for number, entry in enumerate(entries, seq):
        one = _write(entry, number, prev)
        written.append(one)
        prev = one.leaf[:LINK_BYTES]
    return written


def parse_line(line: bytes, *, is_form_known: bool = False) -> Envelope:
    """Read a line (without newline) that was written by `write_entries`. Raises ValueError for anything else.

    `is_form_known`: its hash is one that the tree has, and its form was checked when it was written; for who reads a
    million of them, checking it again is half of the time.
    """
    envelope = _envelope(parse_json(line))
    if is_form_known:
        return envelope
    _check(envelope)
    if canonical_json(_members(envelope)) != line:
        raise ValueError("an envelope is not in the form it is written in")
    return envelope


def _write(entry: NewEntry, seq: int, prev: bytes) -> Written:
    salt, reference = bytes(SALT_BYTES), None
    payload = entry.payload or b""
    if entry.payload is not None:
        salt = os.urandom(SALT_BYTES)
        reference = PayloadReference(blake3_digest(salt + payload), len(payload), entry.payload_key)
    elif entry.payload_key is not None:
        raise ValueError("an entry without payload names a payload key")
    envelope = Envelope(
        seq,
        entry.at,
        entry.actor,
        entry.action,
        entry.institution,
        entry.objects,
        entry.data,
        reference,
        prev,
    )
    _check(envelope)
    line = canonical_json(_members(envelope))
    if len(line) > MAX_LINE_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"an entry of {len(line)} bytes with a payload of {len(payload)} is too large")
    leaf = leaf_hash(line)
    frame = FRAME_HEAD.pack(seq, len(payload)) + salt + payload + leaf[:LINK_BYTES]
    return Written(envelope, line, frame, leaf)


def _check(envelope: Envelope) -> None:
    """Refuse what the format has no place for, above all what might say who a patient is."""
    if envelope.at.tzinfo is None:
        raise ValueError("an entry's instant is aware")
    if not envelope.actor or not envelope.actor.isprintable():
        raise ValueError("an entry names its actor in printable characters")
    if not _ACTION.match(envelope.action):
        raise ValueError(f"not an action: {envelope.action!r}")
    if envelope.institution is not None and not is_id(envelope.institution):
        raise ValueError("an entry names an institution by its identifier")
    for kind, identifier in envelope.objects.items():
        # What was read from JSON may be anything, whatever its declared type.
        if (
            not isinstance(identifier, str)
            or not _OBJECT_KIND.match(kind)
            or not _OBJECT_ID.match(identifier)
        ):
            raise ValueError(f"an object ({kind!r}) is named by an identifier or keyed digest in hexadecimal")
    reference = envelope.payload
    if reference is not None and reference.key_id is not None and not is_id(reference.key_id):
        raise ValueError("an entry names its payload's key by its identifier")


def _members(envelope: Envelope) -> dict[str, JsonValue]:
    reference = envelope.payload
    return {
        "v": VERSION,
        "seq": envelope.seq,
        "at": format_instant(envelope.at),
        "actor": envelope.actor,
        "action": envelope.action,
        "institution": envelope.institution,
        "objects": envelope.objects,
        "data": envelope.data,
        "payload": None
        if reference is None
        else {"bytes": reference.size_bytes, "digest": reference.digest.hex(), "key": reference.key_id},
        "prev": envelope.prev.hex(),
    }


def _envelope(value: JsonValue) -> Envelope:
    match value:
        case {
            "seq": int(seq),
            "at": str(at),
            "actor": str(actor),
            "action": str(action),
            "institution": None | str() as institution,
            "objects": dict(objects),
            "data": dict(data),
            "payload": payload,
            "prev": str(prev),
        }:
            reference = None if payload is None else _reference(payload)
            owner = None if institution is None else InstitutionId(institution)
            link = bytes.fromhex(prev)
            return Envelope(int(seq), parse_instant(at), actor, action, owner, objects, data, reference, link)
    raise ValueError("not an envelope")


def _reference(value: object) -> PayloadReference:
    match value:
        case {"bytes": int(size_bytes), "digest": str(digest), "key": None | str() as key}:
            key_id = None if key is None else KeyId(key)
            return PayloadReference(bytes.fromhex(digest), int(size_bytes), key_id)
    raise ValueError("not a reference to a payload")
