"""What stands in the journal of an audit: everything that counts for the index, and nothing about a person."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from retention.catalog.records import ShardRecord, ShardState
from retention.model.canonical import parse_canonical
from retention.model.findings import Finding, FindingKind
from retention.model.identifiers import PackageId
from retention.services.audit_record import (
    AuditOutcome,
    CheckedPackage,
    CheckedShard,
    Method,
    decode,
    encode,
)

PACKAGES = st.text("0123456789abcdef", min_size=32, max_size=32).map(PackageId)
SHARDS = st.builds(
    ShardRecord,
    number=st.integers(0, 31),
    volume=st.sampled_from(["hot-a", "cold-1"]),
    size_bytes=st.integers(0, 1 << 40),
    generation=st.integers(0, 9),
    state=st.sampled_from([ShardState.MISSING, ShardState.CORRUPT]),
)


CHECKS = st.builds(
    CheckedPackage,
    package=PACKAGES,
    tier=st.sampled_from(["hot", "cold"]),
    method=st.sampled_from(Method),
    shards=st.lists(
        st.builds(
            CheckedShard,
            number=st.integers(0, 31),
            generation=st.integers(0, 9),
            volume=st.sampled_from(["hot-a", "cold-1"]),
            read_bytes=st.integers(0, 1 << 40),
            result=st.sampled_from(["sound", "corrupt", "missing", "unreachable"]),
            repaired=st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
)


@given(
    checks=st.lists(CHECKS, max_size=5),
    flawed=st.dictionaries(PACKAGES, st.lists(SHARDS, min_size=1, max_size=4), max_size=5),
    lost=st.lists(PACKAGES, max_size=3),
)
def test_what_counts_comes_back(checks, flawed, lost):
    found = decode(encode(AuditOutcome(checks, flawed, lost)))
    assert (found.checks, found.flawed, found.lost) == (checks, flawed, lost)


@given(st.lists(CHECKS, max_size=5))
def test_only_a_full_reading_without_damage_counts_as_one(checks: list[CheckedPackage]):
    sound = AuditOutcome(checks).sound
    assert {(package, number) for package, numbers in sound.items() for number in numbers} == {
        (check.package, shard.number)
        for check in checks
        for shard in check.shards
        if check.method is Method.FULL and shard.result == "sound"
    }


def test_findings_are_kept_for_people():
    finding = Finding(FindingKind.CORRUPT, "cold-1", "3f" * 16, 2, detail="3 cells", cells=3, repaired=True)
    text = zstandard.decompress(encode(AuditOutcome(findings=[finding])))
    document = parse_canonical(text)
    assert isinstance(document, dict)
    assert document["findings"] == [
        {
            "kind": "corrupt", "volume": "cold-1", "package": "3f" * 16, "shard": 2, "subject": None,
            "detail": "3 cells", "cells": 3, "repaired": True,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"garbage",
        zstandard.compress(b"{}"),
        zstandard.compress(b"[]"),
        zstandard.compress(b'{"checks":[],"findings":[],"flawed":{},"lost":{}}'),
        zstandard.compress(
            b'{"checks":[["aa","hot","full",[[true,0,"a",1,"sound",0]]]],"findings":[],"flawed":{},"lost":[]}'
        ),
        zstandard.compress(b'{"checks":[],"findings":[],"flawed":{"aa":[[1]]},"lost":[]}'),
        zstandard.ZstdCompressor(write_content_size=False).compress(b"{}"),
    ],
)
def test_anything_else_is_refused(payload: bytes):
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(payload)


def test_a_record_that_declares_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("retention.services.audit_record.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="2000 bytes"):
        decode(zstandard.compress(bytes(2000)))
