"""What is looked at from outside: one wrong byte, a certificate that says another thing, keys that still open."""

import base64
import copy
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from retention.cli.demo import endings
from retention.journal import merkle
from retention.journal.checkpoint import Checkpoint, Signer, sign
from retention.model.canonical import JsonValue, canonical_json

LOOKED = {"keys_tried": 3, "keys_that_open": 0, "shards_looked_for": 6, "shards_found": 0}


@pytest.fixture
def certificate():
    """A certificate that is the second of two entries of a journal."""
    document: dict[str, JsonValue] = {"number": "2026-000001", "verification": dict(LOOKED)}
    digest = hashlib.sha256(canonical_json(document)).hexdigest()
    lines = [b"the first", json.dumps({"data": {"digest": digest}}).encode()]
    leaves = [merkle.leaf_hash(line) for line in lines]
    root = hashlib.sha256(b"\1" + leaves[0] + leaves[1]).digest()
    signer = Signer("retention/test", Ed25519PrivateKey.generate())
    return {
        "certificate": document,
        "proof": {
            "entry": 1,
            "line": lines[1].decode(),
            "tree_size": 2,
            "inclusion": [base64.b64encode(leaves[0]).decode()],
            "checkpoint": sign(Checkpoint(signer.name, 2, root).text(), signer).encode(),
        },
    }


def test_a_certificate_that_the_journal_has_is_proven(certificate):
    assert endings.is_proven(certificate)


def test_another_certificate_another_entry_another_place_are_not(certificate):
    other = copy.deepcopy(certificate)
    other["certificate"]["number"] = "2026-000002"
    assert not endings.is_proven(other)
    for name, value in (("line", certificate["proof"]["line"] + " "), ("entry", 0), ("inclusion", [])):
        assert not endings.is_proven({**certificate, "proof": {**certificate["proof"], name: value}})


@pytest.mark.parametrize("change", [{"keys_that_open": 1}, {"shards_found": 1}, {"shards_looked_for": 0}])
def test_what_is_still_there_or_was_not_looked_for_is_seen(change):
    assert endings.finds_nothing({"certificate": {"verification": LOOKED}})
    assert not endings.finds_nothing({"certificate": {"verification": LOOKED | change}})


def test_tampering_tries_every_file_and_leaves_them_as_they_were(tmp_path, monkeypatch):
    """A verifier that looks at one file only is caught out."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"as signed")
    monkeypatch.setattr(endings, "is_accepted", lambda bundle, _: (bundle / "a").read_bytes() == b"as signed")
    assert endings.tamper_with_each(tmp_path, "key") == (2, 1)
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"as signed"}
