"""The stored form of entries: canonical lines without personal data, frames beside them."""

import json
import struct
from datetime import datetime, timedelta, timezone

import pytest
from blake3 import blake3
from hypothesis import given

from retention.journal.envelope import FIRST_LINK, parse_line, write_entries
from retention.journal.merkle import leaf_hash
from tests.journal.entries import AT, INSTITUTION, KEY, entry, groups


def written(new):
    (one,) = write_entries([new], 7, FIRST_LINK)
    return one


def test_a_line_is_the_documented_one():
    one = written(entry(1, b"sealed", data={"index_root": "00ff"}))
    digest = blake3(one.frame[12:-16]).hexdigest()
    assert one.line.decode() == (
        '{"action":"ingest","actor":"system","at":"2026-11-24T05:32:03.000250Z","data":{"index_root":"00ff"},'
        f'"institution":"{INSTITUTION}","objects":{{"package":"{1:032x}"}},'
        f'"payload":{{"bytes":6,"digest":"{digest}","key":"{KEY}"}},'
        f'"prev":"{"0" * 32}","seq":7,"v":1}}'
    )


def test_a_frame_is_the_documented_one():
    one = written(entry(payload=b"sealed"))
    assert struct.unpack("<QI", one.frame[:12]) == (7, 6)
    assert one.frame[28:-16] == b"sealed"
    assert one.frame[-16:] == leaf_hash(one.line)[:16]


def test_an_entry_without_payload_has_an_empty_frame():
    one = written(entry(payload=None))
    assert one.envelope.payload is None
    assert one.frame == struct.pack("<QI", 7, 0) + bytes(16) + leaf_hash(one.line)[:16]


def test_an_empty_payload_is_a_payload():
    one = written(entry(payload=b""))
    assert one.envelope.payload is not None
    assert one.envelope.payload.size_bytes == 0
    assert any(one.frame[12:28])


def test_equal_payloads_have_different_digests():
    digests = {written(entry(payload=b"the same")).envelope.payload.digest for _ in range(5)}
    assert len(digests) == 5


def test_entries_of_a_group_are_numbered_and_linked():
    first, second, third = write_entries([entry(), entry(), entry()], 3, b"l" * 16)
    assert [one.envelope.seq for one in (first, second, third)] == [3, 4, 5]
    assert first.envelope.prev == b"l" * 16
    assert second.envelope.prev == first.leaf[:16]
    assert third.envelope.prev == second.leaf[:16]


@given(groups(max_groups=1))
def test_a_line_reads_back_as_its_envelope(group):
    for one in write_entries(group[0], 0, FIRST_LINK):
        assert parse_line(one.line) == one.envelope


def test_an_instant_is_written_in_utc():
    paris = timezone(timedelta(hours=1))
    assert (
        b'"at":"2026-11-24T04:00:00.000000Z"'
        in written(entry(at=datetime(2026, 11, 24, 5, tzinfo=paris))).line
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"at": AT.replace(tzinfo=None)},
        {"actor": ""},
        {"actor": "line\nfeed"},
        {"action": "Ingest"},
        {"action": ""},
        {"institution": "necker"},
        {"objects": {"study": "1.2.840.113619.2.1"}},
        {"objects": {"patient": "DUPONT^JEAN"}},
        {"objects": {"study": 5}},
        {"objects": {"a study": "0" * 32}},
        {"data": {"ratio": 0.5}},
        {"data": {"when": AT}},
        {"data": {"many": "x" * (1 << 20)}},
        {"payload_key": "not an id"},
        {"payload": None, "payload_key": KEY},
    ],
)
def test_an_entry_in_another_form_is_refused_when_it_is_written(changes):
    with pytest.raises(ValueError, match=r"."):
        written(entry(**changes))


def changed(line, **members):
    value = {**json.loads(line), **members}
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "members",
    [
        {"v": 2},
        {"more": 1},
        {"seq": "7"},
        {"seq": True},
        {"at": "2026-11-24"},
        {"at": "yesterday"},
        {"objects": []},
        {"objects": {"study": 5}},
        {"institution": 5},
        {"payload": {}},
        {"payload": {"bytes": 6, "digest": "A0" * 32, "key": None}},
        {"prev": "xyz"},
    ],
)
def test_a_line_in_another_form_is_refused_when_it_is_read(members):
    line = written(entry()).line
    assert parse_line(changed(line))
    with pytest.raises(ValueError, match=r"."):
        parse_line(changed(line, **members))


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"null", b"{" * 10_000, b"\xff"])
def test_what_is_no_line_is_refused(line):
    with pytest.raises(ValueError, match=r"."):
        parse_line(line)
    with pytest.raises(ValueError, match=r"."):
        parse_line(written(entry()).line.replace(b",", b", ", 1))
