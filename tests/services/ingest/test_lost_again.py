"""What was lost and is ingested again counts once, comes back under its own name, and what nobody has stays lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from retention.model.findings import Health
from retention.services import events
from retention.services.catalog_check import check_catalog
from retention.services.progress import NoProgress
from retention.services.retrieve import ExportReport, export_study
from tests.services.instances import STUDY, instance
from tests.services.world import HOT, World

FILES = {f"{STUDY}.1.{n}.dcm": instance(n) for n in (1, 2, 3)}


def lose(world: World) -> None:
    """Lose the study on hot for ever, and let an audit find it out."""
    for path in world.shards(*HOT):
        path.unlink()
    assert world.audit().lost == 1


def lose_some(world: World) -> None:
    """As `lose`, but what the packages are can still be read: only the cells are gone."""
    for path in world.shards(*HOT):
        data = bytearray(path.read_bytes())
        for at in range(600, 1400):
            data[at] ^= 0xFF
        path.write_bytes(data)
    assert world.audit().lost == 1


def export(world: World, out: Path) -> tuple[ExportReport, dict[str, bytes]]:
    with world.opened() as stores:
        report = export_study(stores, stores.catalog.study(STUDY), out, NoProgress())
    return report, {path.name: path.read_bytes() for path in out.iterdir()}


def state(world: World) -> tuple[int, int, int, Health]:
    with world.opened() as stores:
        study = stores.catalog.study(STUDY)
        problems = check_catalog(stores).problems
        assert [problem for problem in problems if not problem.kind.startswith("shard-")] == []
        series = sum(one.instances for one in study.series)
        return study.summary.instances, series, study.summary.bytes_received, study.summary.health


def rebuilt(world: World) -> tuple[int, int, int, Health]:
    from retention.archive import rebuild_archive_catalog

    for path in world.root.glob("catalog.db*"):
        path.unlink()
    rebuild_archive_catalog(world.root, NoProgress())
    return state(world)


WHOLE = (3, 3, sum(map(len, FILES.values())))


@pytest.mark.parametrize("how", [lose, lose_some])
def test_the_whole_study_again_is_sound_and_comes_back_under_its_own_names(held: World, tmp_path: Path, how):
    how(held)
    report = held.ingest(*(held.source / f"hot-{n}.dcm" for n in (1, 2, 3)))
    assert (report.stored, report.conflicts, report.duplicates) == (3, 0, 0)
    given, files = export(held, tmp_path / "out")
    assert (given.failures, files) == ([], FILES)
    assert state(held) == (*WHOLE, Health.SOUND)
    assert rebuilt(held) == (*WHOLE, Health.SOUND)
    again = held.ingest()
    assert (again.stored, again.duplicates) == (0, 5)


@pytest.mark.parametrize("how", [lose, lose_some])
def test_what_is_not_brought_again_stays_lost_and_is_said(held: World, tmp_path: Path, how):
    how(held)
    held.send("hot-4.dcm", instance(4))
    held.ingest(held.source / "hot-1.dcm", held.source / "hot-4.dcm")
    given, files = export(held, tmp_path / "out")
    assert files == {f"{STUDY}.1.1.dcm": instance(1), f"{STUDY}.1.4.dcm": instance(4)}
    assert given.failures
    assert all("lost" in failure.message or "cannot be read" in failure.message for failure in given.failures)
    part = (4, 4, WHOLE[2] + len(instance(4)))
    assert state(held) == (*part, Health.LOST)
    assert rebuilt(held) == (*part, Health.LOST)
    held.ingest(held.source / "hot-2.dcm")
    held.ingest(held.source / "hot-3.dcm")
    assert state(held) == (*part, Health.SOUND)
    assert rebuilt(held) == (*part, Health.SOUND)
    given, files = export(held, tmp_path / "all")
    assert (given.failures, len(files)) == ([], 4)


def test_other_content_under_a_lost_name_is_the_first_of_its_name_now(held: World, tmp_path: Path):
    lose(held)
    for n in (1, 2, 3):
        held.send(f"new-{n}.dcm", instance(n, pixels=70 + n))
    held.ingest(*(held.source / f"new-{n}.dcm" for n in (1, 2, 3)))
    given, files = export(held, tmp_path / "out")
    assert (given.failures, files) == (
        [],
        {f"{STUDY}.1.{n}.dcm": instance(n, pixels=70 + n) for n in (1, 2, 3)},
    )
    assert state(held) == rebuilt(held)
    assert state(held)[3] is Health.SOUND


def test_the_journal_says_what_took_the_place_of_what(held: World):
    lose(held)
    (lost,) = [package for package in held.packages() if package.lost]
    held.ingest(*(held.source / f"hot-{n}.dcm" for n in (1, 2, 3)))
    with held.opened() as stores:
        entries = [entry.envelope for entry in stores.journal.read()]
        assert stores.catalog.package(lost.package_id).is_superseded
    arrived = [entry for entry in entries if entry.action == events.PACKAGE_INGEST]
    assert [e.data["replaces"] for e in arrived if "replaces" in e.data] == [[lost.package_id]]
