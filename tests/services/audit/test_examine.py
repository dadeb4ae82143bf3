"""Examining a package: each shard is sound, unreachable, a debt, or a finding that says what is wrong with it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from retention.model.errors import ObjectUnreadableError, StorageError
from retention.model.findings import FindingKind
from retention.package.guard import RECORD_BYTES, protect
from retention.package.shard import read_reference
from retention.package.writer import make_tail
from retention.services.audit.examine import Examination, examine
from retention.storage.directory_objects import DirectoryReader
from tests.package.conftest import MemoryShard
from tests.services.instances import OTHER_STUDY, STUDY, instance
from tests.services.world import World, flip


@contextmanager
def examined(world: World, study: str = OTHER_STUDY) -> Iterator[Examination]:
    with world.opened() as stores, ThreadPoolExecutor(2) as pool:
        (package,) = stores.catalog.packages_of(study)
        yield examine(stores.volumes, package, pool)


def shard_of(world: World, number: int, study: str = OTHER_STUDY) -> Path:
    with world.opened() as stores:
        (package,) = stores.catalog.packages_of(study)
    return world.shard(package, number)


def kinds(found: Examination) -> dict[int, FindingKind]:
    return {number: finding.kind for number, finding in found.findings.items()}


@pytest.mark.parametrize("study", [STUDY, OTHER_STUDY])
def test_a_sound_package_is_read_whole_from_the_medium(
    held: World, study: str, monkeypatch: pytest.MonkeyPatch
):
    dropped: list[int] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda descriptor, *_: dropped.append(descriptor))
    with examined(held, study) as found:
        assert found.is_sound
        assert found.sound == [shard.number for shard in found.package.shards]
        assert found.read_bytes == sum(shard.size_bytes for shard in found.package.shards)
        assert found.sources == {number: number for number in found.sound}
    assert dropped


def test_each_kind_of_trouble_is_told_apart(held: World):
    shard_of(held, 0).unlink()
    flip(shard_of(held, 1), 300)
    shard_of(held, 2).write_bytes(b"")
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
    held.volume(str(package.shards[3].volume)).rename(held.root / "away")
    with examined(held) as found:
        assert kinds(found) == {0: FindingKind.MISSING, 1: FindingKind.CORRUPT, 2: FindingKind.CORRUPT}
        assert (found.sound, found.unreachable, found.unplaced) == ([4, 5], [3], [])
        assert (found.findings[1].cells, found.findings[1].detail) == (1, "1 cells")
        assert found.findings[1].volume == package.shards[1].volume
        assert "header" in found.findings[2].detail
        assert found.sources == {1: 1, 2: 2, 4: 4, 5: 5}
        assert found.repairable == [0, 1, 2]
        assert not found.is_sound


def test_a_volume_gone_from_archive_yaml_is_one_that_is_away(held: World):
    with held.opened() as stores, ThreadPoolExecutor(1) as pool:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
        gone = replace(package.shards[0], volume="cold-99")
        found = examine(stores.volumes, replace(package, shards=(gone, *package.shards[1:])), pool)
        assert found.unreachable == [0]
        assert found.findings == {}


def test_a_place_the_medium_cannot_read_is_unreadable_and_may_still_serve(
    held: World, monkeypatch: pytest.MonkeyPatch
):
    path = shard_of(held, 4)
    read = DirectoryReader.read_at

    def failing(self: DirectoryReader, offset: int, length: int) -> bytes:
        if self._key.endswith(path.name) and offset + length > RECORD_BYTES:
            raise ObjectUnreadableError("a bad sector behind the header")
        return read(self, offset, length)

    monkeypatch.setattr(DirectoryReader, "read_at", failing)
    with examined(held) as found:
        assert kinds(found) == {4: FindingKind.UNREADABLE}
        assert "a bad sector" in found.findings[4].detail
        assert 4 in found.sources
        assert found.repairable == [4]


def test_a_shard_of_an_unknown_version_is_unreadable_and_never_to_be_repaired(held: World):
    path = shard_of(held, 4)
    data = bytearray(path.read_bytes())
    fields = bytearray(data[:159])
    fields[8] = 2
    path.write_bytes(protect(bytes(fields)) + bytes(data[256:]))
    with examined(held) as found:
        assert kinds(found) == {4: FindingKind.UNREADABLE}
        assert "version 2" in found.findings[4].detail
        assert (found.refused, found.repairable) == ([4], [])
        assert 4 not in found.sources


def test_swapped_shards_are_misplaced_and_serve_as_what_they_are(held: World):
    one, other = shard_of(held, 1), shard_of(held, 5)
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    with examined(held) as found:
        assert kinds(found) == {1: FindingKind.MISPLACED, 5: FindingKind.MISPLACED}
        assert found.findings[1].detail == f"it is shard 5 of package {found.package.package_id}"
        assert found.sources == {0: 0, 1: 5, 2: 2, 3: 3, 4: 4, 5: 1}


def test_all_shards_moved_round_by_one_are_all_there(held: World):
    paths = [shard_of(held, number) for number in range(6)]
    data = [path.read_bytes() for path in paths]
    for number, path in enumerate(paths):
        path.write_bytes(data[(number + 1) % 6])
    with examined(held) as found:
        assert set(kinds(found).values()) == {FindingKind.MISPLACED}
        assert found.sources == {(number + 1) % 6: number for number in range(6)}


def test_another_packages_shard_is_no_source(held: World):
    held.send("new.dcm", instance(1, study="1.2.840.99.3"))
    held.ingest(held.source / "new.dcm", tier="cold")
    foreign = shard_of(held, 2, "1.2.840.99.3").read_bytes()
    shard_of(held, 2).write_bytes(foreign)
    with examined(held) as found:
        assert kinds(found) == {2: FindingKind.MISPLACED}
        assert 2 not in found.sources
        assert found.found_as[2].package != found.package.package_id


def test_without_any_whole_shard_each_is_a_finding_and_an_unknown_one_is_told_apart(held: World):
    for number in range(6):
        path = shard_of(held, number)
        data = bytearray(path.read_bytes())
        if number == 3:
            fields = bytearray(data[:159])
            fields[8] = 2
            data[:256] = protect(bytes(fields))
        else:
            data[-256:] = bytes(256)
        path.write_bytes(bytes(data))
    with examined(held) as found:
        assert found.reference is None
        assert kinds(found) == {
            n: FindingKind.UNREADABLE if n == 3 else FindingKind.CORRUPT for n in range(6)
        }
        assert found.refused == [3]


def test_a_manifest_rewritten_consistently_is_found_by_what_the_journal_committed_to(held: World):
    """On the first shard, which is asked first: the others are still believed."""
    path = shard_of(held, 0)
    reference = read_reference(MemoryShard(path.read_bytes()))
    forged = reference.manifest[:-1] + bytes([reference.manifest[-1] ^ 1])
    entry = reference.entry
    tail = make_tail(reference.geometry, reference.index, forged, entry.package, entry.key).encode()
    path.write_bytes(path.read_bytes()[: entry.index_start] + tail)
    with examined(held) as found:
        assert kinds(found) == {0: FindingKind.CORRUPT}
        assert "manifest" in found.findings[0].detail
        assert found.sound == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("moment", ["open", "read"])
def test_too_many_open_files_are_no_damage_to_be_repaired(
    held: World, moment: str, monkeypatch: pytest.MonkeyPatch
):
    def exhausted(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with held.opened() as stores, ThreadPoolExecutor(1) as pool:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
        if moment == "open":
            monkeypatch.setattr(DirectoryReader, "__init__", exhausted)
        else:
            honest = DirectoryReader.read_at

            def failing(self: DirectoryReader, offset: int, length: int) -> bytes:
                if self._key.endswith(".05.g0.shard"):
                    raise StorageError("too many open files")
                return honest(self, offset, length)

            monkeypatch.setattr(DirectoryReader, "read_at", failing)
        with pytest.raises(StorageError, match=r"(?i)too many open files"):
            examine(stores.volumes, package, pool)


def test_write_debt_is_no_finding(empty: World):
    empty.send("1.dcm", instance(1, study=OTHER_STUDY))
    empty.volume("cold-3").rename(empty.root / "away")
    empty.ingest(tier="cold")
    (empty.root / "away").rename(empty.volume("cold-3"))
    with examined(empty) as found:
        assert len(found.unplaced) == 1
        assert (found.findings, found.repairable, found.is_sound) == ({}, found.unplaced, False)
