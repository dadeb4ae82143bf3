"""`catalog check`: the index compared with itself, with the journal and with what lies on the volumes."""

from __future__ import annotations

import sqlite3

from retention.services import commit, events
from retention.services.catalog_check import CatalogReport, check_catalog
from tests.services.instances import OTHER_STUDY, instance
from tests.services.test_commit import stored
from tests.services.world import World


def checked(world: World) -> CatalogReport:
    with world.opened() as stores:
        return check_catalog(stores)


def kinds(report: CatalogReport) -> list[str]:
    return [problem.kind for problem in report.problems]


def test_a_sound_archive_has_no_problems(held: World):
    report = checked(held)
    assert (report.studies, report.packages, report.problems) == (2, 2, [])


def test_what_is_missing_too_long_or_unknown_on_a_volume_is_named(held: World):
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
    missing, longer = held.shard(package, 0), held.shard(package, 1)
    missing.unlink()
    longer.write_bytes(longer.read_bytes() + b"x")
    (held.volume("hot-a") / "packages" / "x.txt").write_text("mine")
    report = checked(held)
    assert sorted(kinds(report)) == ["shard-extra", "shard-missing", "shard-size"]
    details = {problem.kind: problem.detail for problem in report.problems}
    assert details["shard-missing"].endswith(missing.name)
    assert details["shard-missing"].startswith(str(package.shards[0].volume))
    assert f"has {longer.stat().st_size} bytes" in details["shard-size"]
    assert details["shard-extra"] == "hot-a: packages/x.txt"


def test_a_volume_that_is_away_is_one_problem_and_not_one_for_each_shard(held: World):
    held.volume("cold-1").rename(held.root / "away")
    report = checked(held)
    assert [(problem.kind, problem.detail) for problem in report.problems] == [
        ("volume-unreachable", "cold-1: missing")
    ]


def test_write_debt_is_named(empty: World):
    empty.send("1.dcm", instance(1))
    empty.volume("cold-1").rename(empty.root / "away")
    empty.ingest(tier="cold")
    (empty.root / "away").rename(empty.volume("cold-1"))
    (package,) = empty.packages()
    *behind, problem = checked(empty).problems
    assert {each.kind for each in behind} <= {"replica-file"}  # the volume was away, so its keyring is behind
    assert problem.kind == "write-debt"
    assert package.package_id in problem.detail


def test_a_catalog_behind_its_journal_is_named(held: World):
    with held.opened() as mine, held.opened() as other:
        commit.append(other, [stored()])
        mine.journal.refresh()
        assert mine.catalog.position().size == mine.journal.size  # the same file
        with sqlite3.connect(held.root / "catalog.db") as raw:
            raw.execute("DROP TRIGGER state_forward")
            raw.execute("UPDATE state SET value = '3' WHERE key = 'journal_size'")
        report = check_catalog(mine)
    assert "journal-position" in kinds(report)


def test_a_row_changed_by_hand_is_found(held: World):
    with sqlite3.connect(held.root / "catalog.db") as raw:
        raw.execute("UPDATE study SET instances = 99")
    assert "study-sums" in kinds(checked(held))


def test_nothing_is_repaired_by_looking(held: World):
    with held.opened() as stores:
        (package,) = stores.catalog.packages_of(OTHER_STUDY)
        size = stores.journal.size
    held.shard(package, 0).unlink()
    checked(held)
    with held.opened() as stores:
        assert stores.journal.size == size
        assert events.AUDIT_RUN not in {entry.envelope.action for entry in stores.journal.read()}
    assert not held.shard(package, 0).exists()


def test_keys_and_files_that_replicas_lack_are_named(held: World):
    (held.volume("hot-b") / "keyring" / "institutions.keys").unlink()
    for path in held.files(suffix="packages-000001.keys"):
        path.unlink()
    report = checked(held)
    assert kinds(report) == ["replica-file", "key-missing", "key-missing"]
    assert report.problems[0].detail == "hot-b has no keyring/institutions.keys"
