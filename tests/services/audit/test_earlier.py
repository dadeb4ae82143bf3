"""Earlier versions of what is damaged: what is whole is a source, what cannot be read now lets nothing pass for lost.

On a real service: tests/bad_days/test_s3_storms.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retention.services.audit.earlier import ARCHIVED, NOT_WHOLE, WHOLE
from retention.storage.directory import DirectoryVolume
from retention.storage.volume import ObjectReader
from tests.services.world import HOT, World, contents


@pytest.fixture
def damaged(held: World) -> World:
    """Both copies of a study were written over."""
    for path in held.shards(*HOT):
        path.write_bytes(b"written over")
    return held


def test_what_is_archived_lets_nothing_pass_for_lost(damaged: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(DirectoryVolume, "earlier", lambda *_: iter([None]))
    report = damaged.audit()
    assert report.lost == 0
    assert {ARCHIVED in found.detail for found in report.findings} == {True}


def test_a_version_that_is_not_whole_either_is_no_source(damaged: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(DirectoryVolume, "earlier", lambda volume, key: iter([volume.open(key)]))
    report = damaged.audit()
    assert report.lost == 1
    assert {NOT_WHOLE in found.detail for found in report.findings} == {True}


def test_one_whole_version_brings_back_all_copies(held: World, monkeypatch: pytest.MonkeyPatch):
    first, second = held.shards(*HOT)
    aside = first.with_name("0" * 32 + ".00.g0.shard")
    aside.write_bytes(first.read_bytes())
    for path in (first, second):
        path.write_bytes(b"written over")
    before = f"packages/{aside.parent.name}/{aside.name}"

    def earlier(volume: DirectoryVolume, key: str) -> Iterator[ObjectReader | None]:
        return iter([volume.open(before)] if first.name in key and volume.name == "hot-a" else [])

    monkeypatch.setattr(DirectoryVolume, "earlier", earlier)
    report = held.audit()
    assert (report.lost, report.repaired) == (0, 2)
    assert sum(WHOLE in found.detail for found in report.findings) == 1
    assert contents(held.export()) == sorted(held.sent.values())
