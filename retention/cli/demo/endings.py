"""What is left at the end, looked at from outside: a certificate and its proof, a report and one wrong byte in it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from retention.journal import merkle
from retention.journal.checkpoint import Checkpoint, Note
from retention.model.canonical import canonical_json
from retention.reports.standalone.verdict import Trusted
from retention.reports.standalone.verify_report import verify


def digest_of(text: str) -> str:
    """Return the SHA-256 of a document that this text stands for."""
    return hashlib.sha256(text.encode()).hexdigest()


def certificate_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the certificate's main points, in its own words."""
    certificate = document["certificate"]
    for name in ("number", "issued_at", "totals"):
        yield f"{name}: {_plain(certificate[name])}"
    for one in certificate["approvals"]:
        visa = "" if one["visa"] is None else f", visa {one['visa']['number']}"
        yield f"approved as {one['as']}: {one['person']} ({one['method']}{visa})"
    for study in certificate["studies"]:
        yield f"study {study['study'][:12]}…: {study['rule']}, kept until {study['keep_until']}"
    yield f"verification: {_plain(certificate['verification'])}"


def is_proven(document: Mapping[str, Any]) -> bool:
    """Whether the journal has this certificate: its digest is in an entry, which is in the tree of a checkpoint."""
    proof = document["proof"]
    root = Checkpoint.parse(Note.parse(proof["checkpoint"]).text).root
    line = proof["line"].encode()
    hashes = [base64.b64decode(one) for one in proof["inclusion"]]
    said = json.loads(line)["data"]["digest"]
    is_entered = merkle.verify_inclusion(
        merkle.leaf_hash(line), proof["entry"], proof["tree_size"], hashes, root
    )
    return is_entered and said == hashlib.sha256(canonical_json(document["certificate"])).hexdigest()


def finds_nothing(document: Mapping[str, Any]) -> bool:
    """Whether what was looked for after the destruction was not there, and something was looked for."""
    found = document["certificate"]["verification"]
    looked_for = min(found["keys_tried"], found["shards_looked_for"])
    return looked_for > 0 and not found["keys_that_open"] and not found["shards_found"]


def is_accepted(bundle: Path, key: str) -> bool:
    """`retention report verify --trust`."""
    verdict = verify(bundle, Trusted([key]))
    return verdict.valid and verdict.trusted


def tamper_with_each(bundle: Path, key: str) -> tuple[int, int]:
    """Change one byte of one file after the other, and put it right again; return how many files, and how often it
    was noticed."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    caught = 0
    for file in files:
        content = file.read_bytes()
        place = len(content) // 2
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        caught += not is_accepted(bundle, key)
        file.write_bytes(content)
    return len(files), caught


def _plain(values: object) -> str:
    if isinstance(values, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
    return str(values)
