"""A keyring written from docs/journal.md §4 alone: what recover.py must be able to read, whoever wrote it."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from retention.model.identifiers import ArchiveId, InstitutionId, KeyId, new_id

BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
Record = dict[str, object]


def canonical(document: Record) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def derived(context: str, key: bytes) -> bytes:
    return blake3(key, derive_key_context=context).digest()


def wrap(key: bytes, kind: str, key_id: str, owner: str, parent: str, parent_key: bytes) -> str:
    nonce = os.urandom(12)
    bound = (
        f"retention/key/v1|{kind}|{key_id}|{owner}|{parent}{'|1' if kind == 'institution' else ''}".encode()
    )
    return base64.b64encode(nonce + AESGCM(parent_key).encrypt(nonce, key, bound)).decode()


def line_of(record: Record) -> bytes:
    text = canonical(record)
    return blake3(text).hexdigest(length=4).encode() + b" " + text + b"\n"


def doubled(symbol: int, times: int) -> int:
    for _ in range(times):
        symbol = (symbol << 1) ^ (0x25 if symbol & 16 else 0)
    return symbol


def recovery_text(key: bytes) -> str:
    """Write a recovery key down (§4.5)."""
    number = (int.from_bytes(key, "big") << 4) | (blake3(key).digest()[0] >> 4)
    values = [(number >> shift) & 31 for shift in range(255, -1, -5)]
    groups = []
    for group in range(13):
        symbols = values[4 * group : 4 * group + 4]
        check = group
        for power, symbol in enumerate(symbols, 1):
            check ^= doubled(symbol, power)
        groups.append("".join(BASE32[value] for value in (*symbols, check)))
    return "-".join(groups)


@dataclass
class KeyringFiles:
    """Keys in clear, and the lines that hold them wrapped."""

    archive: ArchiveId
    institution: InstitutionId
    root_key: bytes = field(default_factory=lambda: os.urandom(32))
    recovery_key: bytes = field(default_factory=lambda: os.urandom(32))

    def __post_init__(self) -> None:
        self.root_id = derived("retention v1 root key id", self.root_key)[:16].hex()
        self.institution_id = new_id()
        self.institution_key = os.urandom(32)
        self.institutions = [
            self._record(os.urandom(32), "index", new_id(), self.archive, self.root_id, self.root_key),
            self._record(
                self.institution_key,
                "institution",
                self.institution_id,
                self.institution,
                self.root_id,
                self.root_key,
            ),
        ]
        self.packages: dict[KeyId, Record] = {}

    def new_package_key(self) -> tuple[KeyId, bytes]:
        key_id, key = KeyId(new_id()), os.urandom(32)
        self.packages[key_id] = self._record(
            key, "package", key_id, self.institution, self.institution_id, self.institution_key
        )
        return key_id, key

    def forget(self, key_id: KeyId, parent_key: bytes | None = None) -> None:
        """Leave the record of a forgotten package key (§4.3); with a wrong parent key, a forged one."""
        self.packages[key_id] = self._forgotten(self.packages[key_id], parent_key or self.institution_key)

    def forget_institution(self) -> None:
        self.institutions[1] = self._forgotten(self.institutions[1], self.root_key)

    def write(self, volume: Path) -> None:
        """Write one replica."""
        folder = volume / "keyring"
        folder.mkdir(exist_ok=True)
        (folder / "root.json").write_bytes(canonical(self._root_document()) + b"\n")
        (folder / "institutions.keys").write_bytes(b"".join(map(line_of, self.institutions)))
        (folder / "packages-000001.keys").write_bytes(b"".join(map(line_of, self.packages.values())))

    def _root_document(self) -> Record:
        recovery_id = derived("retention v1 recovery key id", self.recovery_key)[:16].hex()
        wrapped = wrap(self.root_key, "root", self.root_id, self.archive, recovery_id, self.recovery_key)
        document: Record = {
            "v": 1,
            "n": 1,
            "archive_id": self.archive,
            "root_key_id": self.root_id,
            "recovery": {"id": recovery_id, "wrapped": wrapped},
        }
        mac_key = derived("retention v1 root document", self.root_key)
        return {**document, "mac": blake3(canonical(document), key=mac_key).digest()[:16].hex()}

    @staticmethod
    def _record(key: bytes, kind: str, key_id: str, owner: str, parent: str, parent_key: bytes) -> Record:
        wrapped = wrap(key, kind, key_id, owner, parent, parent_key)
        numbered: Record = {"generation": 1} if kind == "institution" else {}
        return {"id": key_id, "kind": kind, "owner": owner, "parent": parent, "wrapped": wrapped, **numbered}

    @staticmethod
    def _forgotten(record: Record, parent_key: bytes) -> Record:
        names = ("kind", "id", "owner", "parent", "generation")
        named = {name: record[name] for name in names if name in record}
        proven = "|".join(["retention/forgotten/v1", *map(str, named.values())]).encode()
        proof = blake3(proven, key=derived("retention v1 forgotten", parent_key)).digest()[:16].hex()
        return {**named, "forgotten": proof}
