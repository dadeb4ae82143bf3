"""Giving back: every byte as it was received, verified before it has its name, and told in full where it cannot be."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from retention.model.errors import (
    KeyUnavailableError,
    NotFoundError,
    PackageLostError,
    UsageError,
)
from retention.model.layout import InstitutionSpec
from retention.package import erasure
from retention.package.shard import read_reference
from retention.package.writer import make_tail
from retention.services import events, institutions
from retention.services.access import PackageAccess
from retention.services.ingest import build
from retention.services.progress import NoProgress
from retention.services.retrieve import (
    ExportReport,
    _write,
    every_study,
    export_quarantined,
    export_studies,
    export_study,
)
from tests.package.conftest import MemoryShard
from tests.services.instances import OTHER_STUDY, STUDY, instance, unidentified
from tests.services.world import COLD, HOT, World, contents, flip


def export(world: World, study: str, out: Path, jobs: int = 2) -> ExportReport:
    with world.opened() as stores:
        return export_study(stores, stores.catalog.study(study), out, NoProgress(), jobs)


def written(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_study_comes_back_under_its_uids(held: World, tmp_path: Path, jobs: int):
    report = export(held, STUDY, tmp_path / "out", jobs)
    assert written(tmp_path / "out") == {f"{STUDY}.1.{n}.dcm": instance(n) for n in (1, 2, 3)}
    assert (report.instances, report.bytes, report.failures) == (
        3,
        sum(len(instance(n)) for n in (1, 2, 3)),
        [],
    )


def test_many_instances_are_shared_among_threads(empty: World, tmp_path: Path):
    for number in range(90):
        empty.send(f"{number}.dcm", instance(number))
    empty.ingest(tier="cold")
    report = export(empty, STUDY, tmp_path / "out", jobs=4)
    assert report.instances == 90
    assert contents(written(tmp_path / "out")) == sorted(empty.sent.values())


def test_conflicts_are_numbered_behind_the_first_over_all_packages(held: World, tmp_path: Path):
    for pixels in (71, 72):
        held.send(f"{pixels}.dcm", instance(1, pixels=pixels))
        held.ingest()
    export(held, STUDY, tmp_path)
    assert written(tmp_path)[f"{STUDY}.1.1.dcm"] == instance(1)
    assert written(tmp_path)[f"{STUDY}.1.1.2.dcm"] == instance(1, pixels=71)
    assert written(tmp_path)[f"{STUDY}.1.1.3.dcm"] == instance(1, pixels=72)


def test_a_conflict_never_takes_the_name_of_a_first_that_is_lost(held: World, tmp_path: Path):
    for path in held.shards(*HOT):
        path.unlink()
    held.send("conflict.dcm", instance(1, pixels=71))
    held.ingest(held.source / "conflict.dcm", tier="cold")
    # Nobody had proven it lost yet: it could not be compared, and was refused.
    assert held.audit().lost == 1
    held.ingest(held.source / "conflict.dcm", tier="cold")
    held.send("another.dcm", instance(1, pixels=72))
    held.ingest(held.source / "another.dcm", tier="cold")
    report = export(held, STUDY, tmp_path)
    assert len(report.failures) == 1
    assert written(tmp_path) == {
        f"{STUDY}.1.1.dcm": instance(1, pixels=71),
        f"{STUDY}.1.1.2.dcm": instance(1, pixels=72),
    }


@contextmanager
def away(world: World, *names: str) -> Iterator[None]:
    for name in names:
        world.volume(name).rename(world.root / f"away-{name}")
    yield
    for name in names:
        (world.root / f"away-{name}").rename(world.volume(name))


def test_any_two_of_six_volumes_may_be_away(held: World, tmp_path: Path):
    expected = sorted(instance(n, study=OTHER_STUDY, patient="IPP-2") for n in (1, 2))
    for gone in combinations(COLD, 2):
        with away(held, *gone):
            out = tmp_path / "-".join(gone)
            assert export(held, OTHER_STUDY, out).failures == []
            assert contents(written(out)) == expected


def test_with_any_three_away_it_is_told_what_is_missing_and_what_would_help(held: World, tmp_path: Path):
    for gone in list(combinations(COLD, 3))[::3]:
        with away(held, *gone):
            report = export(held, OTHER_STUDY, tmp_path)
        assert report.instances == 0
        assert written(tmp_path) == {}
        for failure in report.failures:
            assert isinstance(failure, PackageLostError)
            assert f"study {OTHER_STUDY} of necker" in failure.message
            assert "3 of 6 shards can be opened, 4 whole ones are needed" in failure.message
            assert failure.hint == f"bring back {' or '.join(gone)}, then run it again"
            for name in gone:
                assert f"on {name}" in failure.message


def test_damage_beyond_repair_names_the_study_too_and_nothing_wrong_is_written(held: World, tmp_path: Path):
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
    for number in (0, 1):
        flip(held.shard(package, number), 300)
    held.shard(package, 2).unlink()
    report = export(held, OTHER_STUDY, tmp_path)
    assert (report.instances, report.bytes) == (0, 0)
    assert written(tmp_path) == {}
    for failure in report.failures:
        assert f"study {OTHER_STUDY} of necker" in failure.message
        assert "stripe 0" in failure.message
        assert "backup" in str(failure.hint)


def test_a_damaged_instance_never_stops_the_others(
    empty: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(build, "default_cell_bytes", lambda _: 128)
    for number in range(6):
        empty.send(f"{number}.dcm", instance(number))
    empty.ingest(tier="cold")
    (package,) = empty.packages()
    for number in (0, 1, 2):
        flip(empty.shard(package, number), 256 + 128 * 3)
    report = export(empty, STUDY, tmp_path)
    assert 1 <= len(report.failures) <= 2
    assert report.instances == 6 - len(report.failures)
    assert all(data in empty.sent.values() for data in written(tmp_path).values())


def test_a_decoder_that_lies_is_never_believed(held: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
    held.shard(package, 0).unlink()
    monkeypatch.setattr(erasure, "decode", lambda protection, cells, stripe_bytes: bytes(stripe_bytes))
    report = export(held, OTHER_STUDY, tmp_path)
    assert report.instances == 0
    assert all("memory" in str(failure.hint) for failure in report.failures)
    assert written(tmp_path) == {}


def test_a_file_that_is_there_already_is_never_overwritten(held: World, tmp_path: Path):
    export(held, STUDY, tmp_path)
    mine = tmp_path / f"{STUDY}.1.2.dcm"
    mine.write_bytes(b"something of my own")
    report = export(held, STUDY, tmp_path)
    assert report.instances == 2
    (failure,) = report.failures
    assert isinstance(failure, UsageError)
    assert str(mine) in failure.message
    assert mine.read_bytes() == b"something of my own"
    assert len(written(tmp_path)) == 3


def test_a_folder_that_is_none_is_told(held: World, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        export(held, STUDY, tmp_path / "file")


def test_a_full_disk_leaves_no_file_that_is_not_whole(
    held: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    open_ = open

    class Full(io.BytesIO):
        def writelines(self, lines: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opening(path: Any, *rest: Any) -> Any:
        if str(path).endswith(".unverified"):
            open_(path, *rest).close()
            return Full()
        return open_(path, *rest)

    monkeypatch.setattr("builtins.open", opening)
    with pytest.raises(OSError, match="No space left"):
        export(held, STUDY, tmp_path)
    assert written(tmp_path) == {}


def test_a_short_write_is_no_whole_file(held: World, tmp_path: Path):
    """A raw write may take a part only; with the last block nobody would notice."""
    code = (
        "import resource, sys; from pathlib import Path; from retention.services.retrieve import _write\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"_write(Path({str(tmp_path / 'a')!r}), iter([bytes(600), bytes(600)]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "File too large" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_who_was_given_what_is_in_the_journal(held: World, tmp_path: Path):
    export(held, STUDY, tmp_path)
    with held.opened() as stores:
        entry = list(stores.journal.read())[-1].envelope
    assert entry.action == events.STUDY_EXPORT
    given = sum(len(instance(n)) for n in (1, 2, 3))
    on = entry.at.date().isoformat()
    assert entry.data == {"instances": 3, "bytes": given, "failed": 0, "on": on}
    assert STUDY not in str(entry.objects)


def test_every_study_comes_back_into_a_folder_of_its_own(held: World, tmp_path: Path):
    with held.opened() as stores:
        report = export_studies(stores, every_study(stores, None, tmp_path), NoProgress(), jobs=2)
        entries = [entry.envelope for entry in stores.journal.read()][-report.studies :]
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.dcm")}
    assert (report.studies, report.instances, report.failures) == (2, len(files), [])
    assert f"necker/{STUDY}/{STUDY}.1.2.dcm" in files
    assert any(name.startswith(f"necker/{OTHER_STUDY}/") for name in files)
    assert {entry.action for entry in entries} == {events.STUDY_EXPORT}
    assert "intent" not in entries[0].data
    assert sum(int(str(entry.data["instances"])) for entry in entries) == report.instances
    assert len({entry.objects["study"] for entry in entries}) == 2


def test_only_an_institution_s_studies_are_asked_for(held: World, tmp_path: Path):
    with held.opened() as stores:
        institutions.add(stores, InstitutionSpec("cochin"))
        assert list(every_study(stores, "cochin", tmp_path)) == []


def test_a_study_that_is_lost_stops_no_other(held: World, tmp_path: Path):
    for path in held.shards(*HOT):
        path.unlink()
    with held.opened() as stores:
        report = export_studies(stores, every_study(stores, None, tmp_path), NoProgress())
    assert report.studies == 2
    assert len(report.failures) == 1
    assert [path.name for path in (tmp_path / "necker").iterdir() if any(path.iterdir())] == [OTHER_STUDY]


def test_what_was_given_before_the_run_stopped_is_in_the_journal(held: World, tmp_path: Path):
    (tmp_path / "file").touch()
    with held.opened() as stores:
        studies = [stores.catalog.study(STUDY), stores.catalog.study(OTHER_STUDY)]
        orders = zip(studies, [tmp_path / "out", tmp_path / "file"], strict=True)
        before = stores.journal.size
        with pytest.raises(UsageError, match="is not a folder"):
            export_studies(stores, orders, NoProgress(), jobs=1)
        after = [entry.envelope for entry in stores.journal.read(before)]
    assert len(written(tmp_path / "out")) == 3
    assert [entry.data for entry in after] == [
        {"intent": True, "instances": 3},
        {
            "instances": 3,
            "bytes": sum(len(instance(n)) for n in (1, 2, 3)),
            "failed": 0,
            "on": after[-1].at.date().isoformat(),
        },
    ]


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(tmp_path: Path, monkeypatch):
    def full() -> Iterator[bytes]:
        yield b"a"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as told:
        _write(tmp_path / "a.dcm", full())
    assert told.value.filename == str(tmp_path / "a.dcm")
    assert list(tmp_path.iterdir()) == []


def test_quarantined_bytes_come_back_under_a_harmless_name(held: World, tmp_path: Path):
    held.send("../evil name\n.dcm".replace("/", "_"), unidentified(7))
    held.ingest()
    with held.opened() as stores:
        (item,) = stores.catalog.quarantined()
        path = export_quarantined(stores, item.item_id, tmp_path)
        assert path == tmp_path / f"{item.item_id}.bin"
        assert path.read_bytes() == unidentified(7)
        assert list(stores.journal.read())[-1].envelope.action == events.QUARANTINE_EXPORT


def test_only_what_is_in_quarantine_is_found_there(held: World, tmp_path: Path):
    held.send("odd.dcm", unidentified())
    held.ingest()
    with held.opened() as stores:
        (item,) = stores.catalog.quarantined()
        (study,) = stores.catalog.packages_of(STUDY)
        wrong = [
            "", "x", item.package_id, f"{item.package_id}-", f"{item.package_id}-9", f"{item.package_id}--1",
            f"{item.package_id}-²", f"{'0' * 32}-0", f"{study.package_id}-0",
        ]  # fmt: skip
        for item_id in wrong:
            with pytest.raises(NotFoundError, match="nothing in quarantine"):
                export_quarantined(stores, item_id, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_forged_manifest_on_one_volume_does_not_keep_the_package_from_being_read(
    held: World, tmp_path: Path
):
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
    path = held.shard(package, 0)
    reference = read_reference(MemoryShard(path.read_bytes()))
    entry = reference.entry
    forged = reference.manifest[:-1] + bytes([reference.manifest[-1] ^ 1])
    tail = make_tail(reference.geometry, reference.index, forged, entry.package, entry.key).encode()
    path.write_bytes(path.read_bytes()[: entry.index_start] + tail)
    assert export(held, OTHER_STUDY, tmp_path).failures == []


def test_manifests_read_last_are_remembered(held: World, monkeypatch: pytest.MonkeyPatch):
    with held.opened() as stores:
        access = PackageAccess(stores)
        (package,) = stores.catalog.packages_of(STUDY)
        first = access.contents(package.package_id)
        monkeypatch.setattr(PackageAccess, "shards", lambda *_: pytest.fail("the shards were opened again"))
        assert access.contents(package.package_id) is first


def test_another_archives_keyring_opens_nothing(held: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("retention.keyring.keyring.Keyring.package_key", lambda *_: bytes(32))
    report = export(held, STUDY, tmp_path)
    assert report.instances == 0
    assert all(isinstance(failure, KeyUnavailableError) for failure in report.failures)
    assert written(tmp_path) == {}


def test_two_institutions_may_hold_one_study_and_each_gets_its_own(held: World, tmp_path: Path):
    with held.opened() as stores:
        institutions.add(stores, InstitutionSpec("cochin"))
    held.institution = "cochin"
    held.send("other.dcm", instance(1, pixels=99))
    held.ingest(held.source / "other.dcm")
    with held.opened() as stores:
        with pytest.raises(UsageError, match="institution"):
            stores.catalog.study(STUDY)
        export_study(stores, stores.catalog.study(STUDY, "cochin"), tmp_path, NoProgress())
    assert written(tmp_path) == {f"{STUDY}.1.1.dcm": instance(1, pixels=99)}
