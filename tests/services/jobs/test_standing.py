"""How jobs stand, and what the doctor says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from retention.archive import rebuild_archive_catalog
from retention.catalog.jobs import Beginning, Ending, JobOutcome
from retention.model.clock import SystemClock
from retention.model.layout import InstitutionSpec
from retention.services import institutions
from retention.services.doctor import Check, CheckStatus
from retention.services.drill import drill
from retention.services.jobs import pausing
from retention.services.jobs.examining import examine_schedule
from retention.services.jobs.running import lease_name
from retention.services.jobs.standing import LATE_AFTER, RESTS_AT_MOST, SCHEDULER, Stand, standings, zone_of
from retention.services.jobs.table import JOBS
from retention.services.progress import NoProgress
from tests.services.world import World

LONG = timedelta(hours=1)


def stand(world: World, name: str = "audit") -> Stand:
    with world.opened(to_write=False) as stores:
        return next(each.stand for each in standings(stores) if each.job.name == name)


def checks(world: World) -> dict[str, Check]:
    with world.opened(to_write=False) as stores:
        return {check.name: check for check in examine_schedule(stores)}


def plan(world: World, **due: timedelta) -> None:
    with world.opened(to_write=False) as stores:
        stores.catalog.jobs.plan({name: SystemClock().now() + after for name, after in due.items()})


def take(world: World, name: str) -> None:
    with world.opened(to_write=False) as stores:
        assert stores.catalog.jobs.take_lease(name, "somebody", SystemClock().now(), LONG)


@pytest.mark.parametrize(
    ("after", "expected"),
    [(LONG, Stand.WAITING), (-LATE_AFTER / 2, Stand.WAITING), (-LATE_AFTER * 2, Stand.LATE)],
)
def test_what_was_due_long_ago_is_late(empty: World, after, expected):
    assert stand(empty) is Stand.UNPLANNED
    plan(empty, audit=after)
    assert stand(empty) is expected


def test_what_rests_is_not_late_and_what_never_rests_is(empty: World):
    settings = empty.root / "archive.yaml"
    settings.write_text(settings.read_text() + '\nschedule: {blackout: ["Mon-Sun 00:00-00:00"]}\n')
    plan(empty, audit=-LONG, seal=-LONG)
    assert stand(empty, "audit") is Stand.RESTING
    assert stand(empty, "seal") is Stand.LATE
    plan(empty, audit=-RESTS_AT_MOST)
    assert stand(empty, "audit") is Stand.LATE


def test_what_is_paused_is_told_and_runs_again_when_its_pause_is_over(empty: World):
    plan(empty, audit=-LONG)
    with empty.opened() as stores:
        pausing.pause(stores, JOBS["audit"], "disks", stores.clock.now() + LONG)
    assert stand(empty) is Stand.PAUSED
    found = checks(empty)["jobs"]
    assert (found.status, found.detail) == (CheckStatus.WARNING, "paused: audit")
    with empty.opened() as stores:
        pausing.resume(stores, JOBS["audit"])
    assert stand(empty) is Stand.UNPLANNED


def test_a_pause_stands_in_the_journal_and_comes_back_with_a_rebuilt_catalog(empty: World):
    with empty.opened() as stores:
        pausing.pause(stores, JOBS["audit"], "disks", None)
    (empty.root / "catalog.db").unlink()

    rebuild_archive_catalog(empty.root, NoProgress())
    assert stand(empty) is Stand.PAUSED


def test_a_run_counts_as_under_way_only_while_somebody_holds_its_lease(empty: World):
    with empty.opened(to_write=False) as stores:
        jobs, now = stores.catalog.jobs, SystemClock().now()
        lease = jobs.take_lease(lease_name(JOBS["audit"]), "somebody", now, LONG)
        assert lease is not None
        jobs.begin("audit", Beginning(lease, now))
        assert stand(empty) is Stand.RUNNING
        jobs.release_lease(lease, now)
    assert stand(empty) is not Stand.RUNNING


def test_the_doctor_says_whether_anybody_runs_what_is_due(empty: World):
    assert checks(empty)["scheduler"].status is CheckStatus.WARNING
    plan(empty, audit=-LONG)
    assert checks(empty)["scheduler"].status is CheckStatus.FAILED
    assert "late: audit" in checks(empty)["jobs"].detail
    take(empty, SCHEDULER)
    assert checks(empty)["scheduler"].status is CheckStatus.OK
    assert checks(empty)["jobs"].status is CheckStatus.FAILED


def test_the_doctor_says_which_job_failed(empty: World):
    with empty.opened(to_write=False) as stores:
        jobs, now = stores.catalog.jobs, SystemClock().now()
        lease = jobs.take_lease(lease_name(JOBS["seal"]), "somebody", now, LONG)
        assert lease is not None
        jobs.end(jobs.begin("seal", Beginning(lease, now)), lease, Ending(now, JobOutcome.FAILED))
    assert checks(empty)["jobs"].detail == "failed: seal"


def test_the_doctor_says_what_the_last_drill_came_to(held: World):
    assert checks(held)["restore drill"].status is CheckStatus.WARNING
    with held.opened() as stores:
        drill(stores, stop=lambda: False)
    assert checks(held)["restore drill"].status is CheckStatus.OK
    for shard in held.shards("hot-a", "hot-b"):
        shard.unlink()
    with held.opened() as stores:
        drill(stores, stop=lambda: False)
    assert checks(held)["restore drill"].status is CheckStatus.FAILED


def test_the_zone_is_what_all_institutions_share(held: World):
    settings, text = held.root / "archive.yaml", (held.root / "archive.yaml").read_text()
    with held.opened() as stores:
        assert zone_of(stores) == "UTC"
        paris = replace(institutions.find(stores, "necker").spec, timezone="Europe/Paris")
        institutions.change(stores, paris)
        assert zone_of(stores) == "Europe/Paris"
        institutions.add(stores, InstitutionSpec("cayenne", timezone="America/Cayenne"))
        assert zone_of(stores) == "UTC"
    settings.write_text(text + "\nschedule: {timezone: Asia/Tokyo}\n")
    with held.opened() as stores:
        assert zone_of(stores) == "Asia/Tokyo"
