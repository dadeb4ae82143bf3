"""keyring/root.json: which root key this keyring is under, and that key wrapped by the recovery key.

docs/journal.md §4.4. Pure: bytes in, bytes out; so that a root key can be recovered where nothing else runs.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass

from blake3 import blake3

from retention.keyring.records import KeyKind, KeyRecord
from retention.keyring.recovery import recovery_key_id
from retention.keyring.rootkey import root_key_id
from retention.model.canonical import JsonValue, canonical_json, parse_canonical
from retention.model.digests import keyed_digest
from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import ArchiveId, KeyId, is_id

VERSION = 1
ROOT_DOCUMENT = "keyring/root.json"
_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class RootDocument:
    """What root.json says. `number` grows with every new recovery key; `mac` proves it to who has the root key."""

    number: int
    archive_id: ArchiveId
    root_key_id: KeyId
    recovery_key_id: KeyId
    wrapped: bytes
    mac: bytes

    @classmethod
    def make(cls, archive_id: ArchiveId, root: bytes, recovery: bytes, number: int = 1) -> RootDocument:
        """Return the document for a root key and its recovery key (their secrets)."""
        root_id, recovery_id = root_key_id(root), recovery_key_id(recovery)
        record = KeyRecord.wrap(KeyKind.ROOT, root_id, archive_id, recovery_id, secret=root, under=recovery)
        wrapped = record.wrapped or b""
        mac = _mac(root, _members(number, archive_id, root_id, recovery_id, wrapped))
        return cls(number, archive_id, root_id, recovery_id, wrapped, mac)

    def is_proven(self, root: bytes) -> bool:
        """Whether this was made by who has the root key `root`, and not changed."""
        members = _members(self.number, self.archive_id, self.root_key_id, self.recovery_key_id, self.wrapped)
        return self.root_key_id == root_key_id(root) and hmac.compare_digest(self.mac, _mac(root, members))

    def encode(self) -> bytes:
        members = _members(self.number, self.archive_id, self.root_key_id, self.recovery_key_id, self.wrapped)
        return canonical_json(members | {"mac": self.mac.hex()}) + b"\n"


def parse_root_document(data: bytes) -> RootDocument | None:
    """Read root.json; None when it is damaged beyond reading. What it says is proven only by `is_proven`."""
    try:
        return _parse(parse_canonical(data.removesuffix(b"\n")))
    except ValueError:
        return None


def recover_root_key(document: bytes, recovery: bytes) -> bytes:
    """Return the root key, given the content of root.json and the recovery key.

    Raises KeyUnavailableError when the document cannot be read or the recovery key is not the one for it.
    """
    parsed = parse_root_document(document)
    if parsed is None:
        raise KeyUnavailableError(f"{ROOT_DOCUMENT} is damaged", hint="try the same file on another volume")
    record = KeyRecord(
        KeyKind.ROOT, parsed.root_key_id, parsed.archive_id, parsed.recovery_key_id, wrapped=parsed.wrapped
    )
    root = record.secret(recovery)
    if root is None or not parsed.is_proven(root):
        if recovery_key_id(recovery) != parsed.recovery_key_id:
            raise KeyUnavailableError(
                "this is not the recovery key of this archive, or not its latest",
                hint=f"{ROOT_DOCUMENT} asks for the one with the identifier {parsed.recovery_key_id}",
            )
        raise KeyUnavailableError(f"{ROOT_DOCUMENT} is damaged", hint="try the same file on another volume")
    return root


def _parse(value: object) -> RootDocument | None:
    match value:
        case {
            "v": 1,
            "n": int(number),
            "archive_id": str(archive_id),
            "root_key_id": str(root_id),
            "recovery": {"id": str(recovery_id), "wrapped": str(wrapped)},
            "mac": str(mac),
        } if is_id(archive_id) and is_id(root_id) and is_id(recovery_id):
            return RootDocument(
                number,
                ArchiveId(archive_id),
                KeyId(root_id),
                KeyId(recovery_id),
                base64.b64decode(wrapped, validate=True),
                bytes.fromhex(mac),
            )
    return None


def _members(
    number: int, archive_id: str, root_id: str, recovery_id: str, wrapped: bytes
) -> dict[str, JsonValue]:
    return {
        "v": VERSION,
        "n": number,
        "archive_id": archive_id,
        "root_key_id": root_id,
        "recovery": {"id": recovery_id, "wrapped": base64.b64encode(wrapped).decode("ascii")},
    }


def _mac(root: bytes, members: dict[str, JsonValue]) -> bytes:
    key = blake3(root, derive_key_context="retention v1 root document").digest()
    return keyed_digest(key, canonical_json(members), _MAC_BYTES)
