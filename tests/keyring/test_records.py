"""Key records: the documented lines, and nothing that damage or a stranger can make of them."""

import base64
import json

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from retention.keyring.records import KeyKind, KeyRecord, WrappingKey, parse_record
from retention.model.identifiers import KeyId

SECRET, PARENT = b"s" * 32, b"p" * 32
KEY_ID, OWNER, PARENT_ID = KeyId("1" * 32), "2" * 32, KeyId("3" * 32)
RECORD = KeyRecord.wrap(KeyKind.PACKAGE, KEY_ID, OWNER, PARENT_ID, secret=SECRET, under=PARENT)
FORGOTTEN = RECORD.forget(PARENT)


def test_a_line_is_the_documented_one_and_opens_as_documented():
    check, text = RECORD.line().rstrip(b"\n").split(b" ", 1)
    assert check.decode() == blake3(text).hexdigest()[:8]
    members = json.loads(text)
    assert members | {"wrapped": ""} == {
        "id": KEY_ID,
        "kind": "package",
        "owner": OWNER,
        "parent": PARENT_ID,
        "wrapped": "",
    }
    wrapped = base64.b64decode(members["wrapped"])
    data = f"retention/key/v1|package|{KEY_ID}|{OWNER}|{PARENT_ID}".encode()
    assert AESGCM(PARENT).decrypt(wrapped[:12], wrapped[12:], data) == SECRET


def test_a_forgotten_key_leaves_the_documented_line():
    text = FORGOTTEN.line().rstrip(b"\n").split(b" ", 1)[1]
    key = blake3(PARENT, derive_key_context="retention v1 forgotten").digest()
    said = f"retention/forgotten/v1|package|{KEY_ID}|{OWNER}|{PARENT_ID}".encode()
    assert json.loads(text)["forgotten"] == blake3(said, key=key).hexdigest()[:32]
    assert "wrapped" not in json.loads(text)


@pytest.mark.parametrize("record", [RECORD, FORGOTTEN])
def test_a_record_comes_back_from_its_line(record):
    assert parse_record(record.line().rstrip(b"\n")) == record


@pytest.mark.parametrize("record", [RECORD, FORGOTTEN])
def test_no_line_with_a_changed_byte_counts(record):
    line = record.line().rstrip(b"\n")
    for place in range(len(line)):
        for change in (1, 0x20, 0x80):
            assert parse_record(line[:place] + bytes([line[place] ^ change]) + line[place + 1 :]) is None
        assert parse_record(line[:place]) is None


def checked(**changes):
    members = {
        "id": KEY_ID,
        "kind": "package",
        "owner": OWNER,
        "parent": PARENT_ID,
        "wrapped": "AAAA",
    } | changes
    text = json.dumps(
        {key: value for key, value in members.items() if value is not None},
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    return blake3(text).hexdigest()[:8].encode() + b" " + text


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "master"},
        {"id": "1" * 31},
        {"owner": 5},
        {"parent": None},
        {"more": 1},
        {"wrapped": None},
        {"wrapped": "A"},
        {"wrapped": None, "forgotten": "xyz"},
        {"forgotten": "00"},
    ],
)
def test_records_in_another_form_do_not_count(changes):
    assert parse_record(checked()) is not None
    assert parse_record(checked(**changes)) is None


def moved(record, **changes):
    """The record with its secret part, under other names."""
    values = {"kind": record.kind, "key_id": record.key_id, "owner": record.owner, "parent": record.parent}
    return KeyRecord(**values | changes, wrapped=record.wrapped, forgotten=record.forgotten)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": KeyKind.PATIENT},
        {"key_id": "9" * 32},
        {"owner": "9" * 32},
        {"parent": "9" * 32},
        {"generation": 2},
    ],
)
def test_a_key_moved_to_another_record_does_not_open_and_a_proof_proves_nothing(changes):
    assert RECORD.secret(PARENT) == SECRET
    assert moved(RECORD, **changes).secret(PARENT) is None
    assert FORGOTTEN.is_forgotten(PARENT)
    assert not moved(FORGOTTEN, **changes).is_forgotten(PARENT)


def test_an_institutions_key_says_which_generation_it_is_and_that_is_bound_too():
    first = KeyRecord.wrap(
        KeyKind.INSTITUTION, KEY_ID, OWNER, PARENT_ID, secret=SECRET, under=PARENT, generation=1
    )
    for record in (first, first.forget(PARENT)):
        assert b'"generation":1,' in record.line()
        assert parse_record(record.line().rstrip(b"\n")) == record
    assert first.secret(PARENT) == SECRET
    assert moved(first, generation=2).secret(PARENT) is None
    assert not moved(first.forget(PARENT), generation=2).is_forgotten(PARENT)


@pytest.mark.parametrize(
    ("kind", "generation"),
    [(KeyKind.INSTITUTION, None), (KeyKind.INSTITUTION, 0), (KeyKind.PACKAGE, 1), (KeyKind.PAYLOAD, 1)],
)
def test_no_other_record_counts_with_a_generation_nor_this_one_without(kind, generation):
    record = KeyRecord.wrap(
        kind, KEY_ID, OWNER, PARENT_ID, secret=SECRET, under=PARENT, generation=generation
    )
    assert parse_record(record.line().rstrip(b"\n")) is None


def test_a_key_under_another_parent_is_the_same_key():
    old, new = WrappingKey(PARENT_ID, PARENT, 1), WrappingKey(KeyId("4" * 32), b"n" * 32, 2)
    again, gone = RECORD.moved(old, new), FORGOTTEN.moved(old, new)
    assert again is not None
    assert gone is not None
    assert (again.parent, again.secret(new.secret), again.secret(PARENT)) == (new.key_id, SECRET, None)
    assert gone.is_forgotten(new.secret)
    assert RECORD.moved(WrappingKey(PARENT_ID, b"x" * 32), new) is None


def test_another_parent_opens_nothing_and_cannot_forget():
    assert RECORD.secret(b"x" * 32) is None
    assert not RECORD.forget(b"x" * 32).is_forgotten(PARENT)
    assert FORGOTTEN.secret(PARENT) is None
    assert not RECORD.is_forgotten(PARENT)


def test_wrapping_twice_gives_different_bytes_and_forgetting_twice_the_same():
    again = KeyRecord.wrap(KeyKind.PACKAGE, KEY_ID, OWNER, PARENT_ID, secret=SECRET, under=PARENT)
    assert again.wrapped != RECORD.wrapped
    assert again.forget(PARENT) == FORGOTTEN


def test_a_record_does_not_show_its_wrapped_key():
    assert repr(RECORD.wrapped)[2:-1] not in repr(RECORD)
