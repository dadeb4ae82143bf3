"""Building a package: files in, shards written and known to nobody yet, a manifest that says what they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from retention import __version__
from retention.model.errors import PlacementError
from retention.package.manifest import KIND_QUARANTINE, KIND_STUDY, ROLE_CONFLICT, read_contents
from retention.package.reader import PackageReader
from retention.package.sealing import Sealer
from retention.package.shard import read_reference
from retention.services import institutions
from retention.services.ingest.build import BuiltPackage, FileToKeep, NothingBuilt, PackageBuilder
from retention.services.ingest.scan import ScannedFile, Scanner
from retention.services.stores import Stores
from tests.package.conftest import MemoryShard
from tests.services.instances import STUDY, instance, unidentified
from tests.services.world import COLD, HOT, World

SESSION = "0123456789abcdef"


def kept(world: World, *files: tuple[str, bytes], role: str = "first") -> list[FileToKeep]:
    for name, data in files:
        world.send(name, data)
    found = Scanner().scan([world.source / name for name, _ in files])
    return [FileToKeep(file, role) for file in found if isinstance(file, ScannedFile)]


@contextmanager
def builder(world: World, tier: str = "cold") -> Iterator[tuple[PackageBuilder, Stores]]:
    with world.opened() as stores, ThreadPoolExecutor(2) as pool:
        institutions.first_or_known(stores, world.institution)
        volumes = stores.volumes
        yield PackageBuilder(stores, volumes.tier(tier), volumes.states(), SESSION, pool), stores


def built(
    builder: PackageBuilder, stores: Stores, files: list[FileToKeep], kind: str = KIND_STUDY
) -> BuiltPackage | NothingBuilt:
    owner = institutions.find(stores, "necker").institution_id
    return builder.begin(owner, kind, files, {}).finish()


def incoming(world: World) -> dict[str, list[bytes]]:
    found = {name: list(world.volume(name).glob("incoming/*")) for name in (*HOT, *COLD)}
    return {name: [path.read_bytes() for path in paths] for name, paths in found.items() if paths}


@pytest.mark.parametrize(("tier", "volumes"), [("hot", HOT), ("cold", COLD)])
def test_every_shard_is_written_beside_and_says_what_the_reference_says(
    empty: World, tier: str, volumes: tuple[str, ...]
):
    files = kept(empty, *((f"{n}.dcm", instance(n)) for n in (1, 2, 3)))
    with builder(empty, tier) as (build, stores):
        package = built(build, stores, files)
        assert isinstance(package, BuiltPackage)
        written = incoming(empty)
        assert set(written) == set(volumes)
        reference = package.reference()
        for (data,) in written.values():
            found = read_reference(MemoryShard(data))
            assert (found.entry, found.index, found.manifest) == (
                reference.entry,
                reference.index,
                reference.manifest,
            )
        assert empty.shards() == []
        assert package.received_bytes == sum(len(instance(n)) for n in (1, 2, 3))
        sealer = Sealer.of(package.key.secret, package.package, package.institution)
        shards = {read_reference(MemoryShard(d)).header.shard: MemoryShard(d) for (d,) in written.values()}
        reader = PackageReader(reference, shards, sealer)
        read = [b"".join(reader.read_instance(row)) for row in reader.contents.instances]
        assert read == [instance(n) for n in (1, 2, 3)]
        package.uploads.discard()
    assert incoming(empty) == {}


def test_the_manifest_says_who_what_and_with_which_tools(empty: World):
    files = [
        *kept(empty, ("1.dcm", instance(1)), ("2.dcm", instance(2, series=2))),
        *kept(empty, ("3.dcm", instance(1, pixels=9)), role=ROLE_CONFLICT),
    ]
    with builder(empty) as (build, stores):
        package = built(build, stores, files)
        assert isinstance(package, BuiltPackage)
        sealer = Sealer.of(package.key.secret, package.package, package.institution)
        contents = read_contents(package.tail.manifest, sealer)
        package.uploads.discard()
    assert contents.study is not None
    assert (contents.study.study_uid, contents.study.patient.patient_id) == (STUDY, "IPP-1")
    assert [entry.series_uid for entry in contents.series] == [f"{STUDY}.1", f"{STUDY}.2"]
    assert [(row.ordinal, row.role, row.series) for row in contents.instances] == [
        (0, "first", 0), (1, "first", 1), (2, "conflict", 0)
    ]  # fmt: skip
    assert contents.tools["retention"] == __version__
    assert set(contents.tools) >= {"zstandard", "pyeclib", "numpy", "blake3", "cryptography"}


def test_quarantine_keeps_name_and_reason_in_place_of_an_identity(empty: World):
    files = kept(empty, ("folder/odd \u00e9.dcm", unidentified()))
    with builder(empty) as (build, stores):
        package = built(build, stores, files, KIND_QUARANTINE)
        assert isinstance(package, BuiltPackage)
        assert package.contents.study is None
        (row,) = package.contents.instances
        package.uploads.discard()
    assert (row.name, row.reason, row.sop_instance_uid) == ("odd \u00e9.dcm", "truncated-head", None)


def test_a_refused_file_leaves_a_gap_in_the_ordinals_and_no_instance(empty: World):
    files = kept(empty, *((f"{n}.dcm", instance(n)) for n in (1, 2, 3)))
    (empty.source / "2.dcm").unlink()
    with builder(empty) as (build, stores):
        package = built(build, stores, files)
        assert isinstance(package, BuiltPackage)
        assert [row.ordinal for row in package.contents.instances] == [0, 2]
        assert [Path(refused.file.path).name for refused in package.refused] == ["2.dcm"]
        package.uploads.discard()


def test_when_nothing_can_be_taken_nothing_is_left(empty: World):
    files = kept(empty, ("1.dcm", instance(1)))
    (empty.source / "1.dcm").unlink()
    with builder(empty) as (build, stores):
        nothing = built(build, stores, files)
    assert isinstance(nothing, NothingBuilt)
    assert [Path(refused.file.path).name for refused in nothing.refused] == ["1.dcm"]
    assert incoming(empty) == {}


def test_an_error_while_it_is_built_leaves_nothing_and_no_descriptor(
    empty: World, monkeypatch: pytest.MonkeyPatch
):
    files = kept(empty, ("1.dcm", instance(1)))

    def full(*_: object) -> None:
        raise PlacementError("full")

    with builder(empty) as (build, stores):
        before = len(os.listdir("/proc/self/fd"))
        monkeypatch.setattr("retention.services.uploads.PackageUploads.require_enough", full)
        with pytest.raises(PlacementError):
            built(build, stores, files)
        monkeypatch.undo()
        monkeypatch.setattr("retention.package.writer.PackageWriter.finish", full)
        with pytest.raises(PlacementError):
            built(build, stores, files)
        assert len(os.listdir("/proc/self/fd")) == before
    assert incoming(empty) == {}


def test_every_attempt_has_an_identifier_and_a_key_of_its_own(empty: World):
    files = kept(empty, ("1.dcm", instance(1)))
    with builder(empty) as (build, stores):
        packages = [built(build, stores, files) for _ in range(3)]
        for package in packages:
            assert isinstance(package, BuiltPackage)
            package.uploads.discard()
    assert len({package.package for package in packages if isinstance(package, BuiltPackage)}) == 3
    assert len({package.key.secret for package in packages if isinstance(package, BuiltPackage)}) == 3
