"""The table of jobs, and what has to agree with it."""

from __future__ import annotations

import pytest

from retention.cli import catalogue
from retention.scheduler.triggers import read_trigger
from retention.services.jobs import table
from retention.services.jobs.job import Work
from retention.services.jobs.table import JOBS
from retention.settings import terms
from retention.settings.document import ScheduleSection


def test_archive_yaml_may_say_when_each_job_runs_and_of_no_other():
    assert set(JOBS) == set(ScheduleSection.model_fields) - {"blackout", "timezone"}


def test_every_job_has_a_time_of_its_own():
    for job in JOBS.values():
        assert terms.check_schedule(job.trigger) is None
        assert read_trigger(job.trigger, "UTC")


def test_every_job_is_told_to_people():
    for language in ("en", "fr"):
        assert {f"schedule.job_{name}" for name in JOBS} <= set(catalogue._load(language))


@pytest.mark.parametrize("name", ["inventory", "report"])
def test_what_needs_libraries_that_are_not_there_says_so_and_is_no_failure(empty, monkeypatch, name):
    monkeypatch.setattr(table, "find_spec", lambda _: None)
    with empty.opened() as stores:
        done = JOBS[name].run(stores, Work(stores.clock, 60, lambda: False))
    assert "retention[reports]" in done.problems[0]
