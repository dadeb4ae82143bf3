"""Is an instance new? Duplicates, re-encodings and conflicts, with what is held and among themselves."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

from retention.model.layout import InstitutionSpec
from retention.package.manifest import ROLE_CONFLICT, ROLE_FIRST
from retention.services import institutions
from retention.services.access import PackageAccess
from retention.services.events import Names
from retention.services.ingest import recognise
from retention.services.ingest.recognise import Recognised, Recogniser
from retention.services.ingest.scan import ScannedFile, Scanner
from retention.services.projection import instance_digests
from tests.services.instances import STUDY, instance, unidentified
from tests.services.world import World

OTHER_META = "1.2.840.99.6"


@contextmanager
def recogniser(world: World):
    with world.opened() as stores:
        owner = institutions.find(stores, world.institution)
        yield Recogniser(stores, owner.institution_id, Names(stores.keyring.index_key.secret))


def scanned(*paths: Path) -> list[ScannedFile]:
    return [found for found in Scanner().scan(paths) if isinstance(found, ScannedFile)]


def names(files: list[ScannedFile]) -> list[str]:
    return [Path(file.path).name for file in files]


def kept(found: Recognised) -> list[tuple[str, str]]:
    return [(Path(keep.file.path).name, keep.role) for keep in found.keep]


def test_what_nobody_holds_is_kept_and_not_even_read(held: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recognise, "digest_file", lambda file: pytest.fail(f"{file.path} was read"))
    paths = [held.send(f"new-{n}.dcm", instance(n, study="1.2.840.99.3")) for n in (1, 2)]
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(*paths))
    assert kept(found) == [("new-1.dcm", ROLE_FIRST), ("new-2.dcm", ROLE_FIRST)]
    assert found.known == {}


def test_the_same_bytes_are_a_duplicate(held: World):
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(held.source / "hot-1.dcm", held.source / "hot-2.dcm"))
    assert names(found.duplicates) == ["hot-1.dcm", "hot-2.dcm"]
    assert (found.keep, found.reencoded, found.unreadable) == ([], [], [])
    assert sorted(found.known.values()) == [1, 1]


def test_the_same_bytes_said_to_be_in_another_encoding_are_a_conflict(held: World):
    """Little endian read as big endian is another data set, whatever its bytes."""
    explicit, implicit = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"
    assert instance(1).count(explicit) == 1
    held.send("again.dcm", instance(1).replace(explicit, implicit))
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(held.source / "again.dcm"))
    assert kept(found) == [("again.dcm", ROLE_CONFLICT)]
    assert found.reencoded == []


def test_the_same_data_set_under_another_file_meta_is_a_reencoding(held: World):
    path = held.send("again.dcm", instance(1, meta=OTHER_META))
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(path))
    assert names(found.reencoded) == ["again.dcm"]
    assert found.keep == []


def test_other_content_is_a_conflict_and_kept(held: World):
    path = held.send("other.dcm", instance(1, pixels=77))
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(path))
    assert kept(found) == [("other.dcm", ROLE_CONFLICT)]


def test_files_that_come_together_are_compared_with_each_other_too(held: World):
    study = "1.2.840.99.4"
    sent = [
        held.send("1-first.dcm", instance(1, study=study)),
        held.send("2-same.dcm", instance(1, study=study)),
        held.send("3-reencoded.dcm", instance(1, study=study, meta=OTHER_META)),
        held.send("4-conflict.dcm", instance(1, study=study, pixels=5)),
        held.send("5-same-conflict.dcm", instance(1, study=study, pixels=5)),
        held.send("6-second-conflict.dcm", instance(1, study=study, pixels=6)),
        held.send("7-alone.dcm", instance(2, study=study)),
    ]
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(*sent))
    assert kept(found) == [
        ("1-first.dcm", ROLE_FIRST),
        ("4-conflict.dcm", ROLE_CONFLICT),
        ("6-second-conflict.dcm", ROLE_CONFLICT),
        ("7-alone.dcm", ROLE_FIRST),
    ]
    assert names(found.duplicates) == ["2-same.dcm", "5-same-conflict.dcm"]
    assert names(found.reencoded) == ["3-reencoded.dcm"]


def test_a_conflict_is_compared_with_every_variant_held(held: World):
    held.send("conflict.dcm", instance(1, pixels=77))
    held.ingest()
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(held.source / "conflict.dcm", held.source / "hot-1.dcm"))
    assert names(found.duplicates) == ["conflict.dcm", "hot-1.dcm"]
    assert list(found.known.values()) == [2]


def test_an_identity_in_another_study_is_still_that_identity(held: World):
    """SOP Instance UIDs are unique, whatever study they are said to belong to."""
    path = held.send("moved.dcm", instance(1, study="1.2.840.99.7", uid=f"{STUDY}.1.1"))
    with recogniser(held) as recognised:
        assert kept(recognised.recognise(scanned(path))) == [("moved.dcm", ROLE_CONFLICT)]


def test_what_another_institution_holds_says_nothing(held: World):
    held.institution = "cochin"
    with held.opened() as stores:
        institutions.add(stores, InstitutionSpec("cochin"))
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(held.source / "hot-1.dcm"))
    assert kept(found) == [("hot-1.dcm", ROLE_FIRST)]


def test_unidentified_bytes_are_known_by_their_content(held: World):
    held.send("odd.dcm", unidentified(1))
    held.ingest()
    sent = [
        held.source / "odd.dcm",
        held.send("copy.dcm", unidentified(1)),
        held.send("new.dcm", unidentified(2)),
    ]
    sent.append(held.send("new-copy.dcm", unidentified(2)))
    with recogniser(held) as recognised:
        found = recognised.recognise_unidentified(scanned(*sent))
    assert kept(found) == [("new.dcm", ROLE_FIRST)]
    assert sorted(names(found.duplicates)) == ["copy.dcm", "new-copy.dcm", "odd.dcm"]


def test_a_file_that_changed_meanwhile_is_named(held: World):
    files = scanned(held.source / "hot-1.dcm", held.send("odd.dcm", unidentified()))
    for file in files:
        Path(file.path).write_bytes(b"other")
    with recogniser(held) as recognised:
        found = recognised.recognise(files[:1])
        odd = recognised.recognise_unidentified(files[1:])
    for each in (found, odd):
        assert (each.keep, each.duplicates) == ([], [])
        assert "changed" in each.unreadable[0].reason


def test_what_was_proven_lost_is_welcome_again(held: World):
    """The originals come back: to call them duplicates of what nobody can read would lose them twice."""
    for path in held.shards(*[f"hot-{x}" for x in "ab"]):
        path.unlink()
    held.audit()
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(*[held.source / f"hot-{n}.dcm" for n in (1, 2, 3)]))
    assert kept(found) == [(f"hot-{n}.dcm", ROLE_FIRST) for n in (1, 2, 3)]


def test_what_cannot_be_compared_now_is_refused_and_not_guessed(held: World):
    """Both copies are away: whether it is a duplicate or a conflict, nobody can say."""
    for name in ("hot-a", "hot-b"):
        held.volume(name).rename(held.root / f"away-{name}")
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(held.source / "hot-1.dcm", held.source / "hot-2.dcm"))
    assert (found.keep, found.duplicates) == ([], [])
    assert [Path(each.path).name for each in found.unreadable] == ["hot-1.dcm", "hot-2.dcm"]
    assert STUDY in found.unreadable[0].reason
    assert "volume hot-a" in found.unreadable[0].reason


def test_one_shard_is_enough_to_compare_with(held: World):
    """Every shard carries the manifest: what cannot be read whole can still be recognised."""
    for name in ("cold-1", "cold-2", "cold-3"):
        held.volume(name).rename(held.root / f"away-{name}")
    with recogniser(held) as recognised:
        found = recognised.recognise(scanned(held.source / "cold-1.dcm"))
    assert names(found.duplicates) == ["cold-1.dcm"]


def test_lost_quarantine_is_welcome_again_too(held: World):
    held.send("odd.dcm", unidentified(1))
    held.ingest()
    with held.opened() as stores:
        (item,) = stores.catalog.quarantined()
        package = stores.catalog.package(item.package_id)
    for shard in package.shards:
        held.shard(package, shard.number).unlink()
    held.audit()
    with recogniser(held) as recognised:
        found = recognised.recognise_unidentified(scanned(held.source / "odd.dcm"))
    assert kept(found) == [("odd.dcm", ROLE_FIRST)]


def test_digests_are_those_of_the_catalog(held: World):
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(STUDY)
        contents = PackageAccess(stores).contents(package.package_id)
        pairs = instance_digests(package.institution_id, contents, Names(stores.keyring.index_key.secret))
        found = stores.catalog.find_instances(package.institution_id, [digest for digest, _ in pairs])
    assert {digest: [where.ordinal for where in places] for digest, places in found.items()} == {
        digest: [ordinal] for digest, ordinal in pairs
    }
