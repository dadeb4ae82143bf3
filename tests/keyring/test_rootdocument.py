"""keyring/root.json: names the root key and gives it to who has the recovery key."""

import base64
import json

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from retention.keyring.recovery import recovery_key_id
from retention.keyring.rootdocument import RootDocument, parse_root_document, recover_root_key
from retention.keyring.rootkey import root_key_id
from retention.model.errors import KeyUnavailableError
from retention.model.identifiers import ArchiveId

ROOT, RECOVERY, ARCHIVE = b"r" * 32, b"p" * 32, ArchiveId("a" * 32)
DOCUMENT = RootDocument.make(ARCHIVE, ROOT, RECOVERY)
CONTENT = DOCUMENT.encode()


def test_the_document_is_the_documented_one():
    members = json.loads(CONTENT)
    mac = members.pop("mac")
    text = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    key = blake3(ROOT, derive_key_context="retention v1 root document").digest()
    assert mac == blake3(text, key=key).hexdigest()[:32]
    wrapped = base64.b64decode(members["recovery"].pop("wrapped"))
    root_id, recovery_id = root_key_id(ROOT), recovery_key_id(RECOVERY)
    data = f"retention/key/v1|root|{root_id}|{ARCHIVE}|{recovery_id}".encode()
    assert AESGCM(RECOVERY).decrypt(wrapped[:12], wrapped[12:], data) == ROOT
    assert members == {
        "v": 1,
        "n": 1,
        "archive_id": ARCHIVE,
        "root_key_id": root_id,
        "recovery": {"id": recovery_id},
    }


def test_the_document_reads_back_and_is_proven_by_its_root_key_only():
    assert parse_root_document(CONTENT) == DOCUMENT
    assert DOCUMENT.is_proven(ROOT)
    assert not DOCUMENT.is_proven(b"x" * 32)


def test_the_recovery_key_gives_the_root_key():
    assert recover_root_key(CONTENT, RECOVERY) == ROOT


def test_another_recovery_key_does_not_and_the_right_one_is_named():
    with pytest.raises(KeyUnavailableError, match="not the recovery key of this archive") as caught:
        recover_root_key(CONTENT, b"x" * 32)
    assert recovery_key_id(RECOVERY) in str(caught.value.hint)


def test_no_changed_byte_goes_unnoticed():
    for place in range(len(CONTENT) - 1):
        changed = CONTENT[:place] + bytes([CONTENT[place] ^ 1]) + CONTENT[place + 1 :]
        document = parse_root_document(changed)
        assert document is None or not document.is_proven(ROOT)
        with pytest.raises(KeyUnavailableError):
            recover_root_key(changed, RECOVERY)


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[]", b"\xff", CONTENT[:-10], CONTENT.replace(b'"v":1', b'"v":2')]
)
def test_what_is_no_document_is_none(content):
    assert parse_root_document(content) is None
    with pytest.raises(KeyUnavailableError, match="damaged"):
        recover_root_key(content, RECOVERY)
