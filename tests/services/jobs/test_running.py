"""A job run under its lease: noted, fenced, and harmless when it fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retention.catalog.jobs import JobOutcome
from retention.catalog.leases import Lease
from retention.journal.envelope import NewEntry
from retention.model.clock import RehearsalClock, SystemClock
from retention.model.errors import LockedError, UsageError
from retention.services import commit
from retention.services.jobs.job import AT_ONCE, Done, Job
from retention.services.jobs.running import LEASE, lease_name, run_by_hand
from retention.services.jobs.table import JOBS

AT = datetime(2026, 11, 24, tzinfo=UTC)


def job(run) -> Job:
    return Job("audit", "PT1H", run)


def test_what_it_did_is_remembered(empty):
    with empty.opened() as stores:
        run_by_hand(stores, job(lambda *_: Done({"n": 3}, ("one failed",), AT_ONCE, has_findings=True)))
        (run,) = stores.catalog.jobs.runs("audit")
    assert (run.outcome, run.numbers, run.detail) == (JobOutcome.DONE, {"n": 3}, "one failed")
    assert run.is_left
    assert run.has_findings
    assert run.ended_at is not None


@pytest.mark.parametrize("error", [UsageError("no such thing"), ZeroDivisionError("by zero")])
def test_what_it_raises_is_remembered_too(empty, error):
    def run(*_):
        raise error

    with empty.opened() as stores:
        with pytest.raises(type(error)):
            run_by_hand(stores, job(run))
        last = stores.catalog.jobs.last_runs()["audit"]
        assert last.outcome is JobOutcome.FAILED
        assert str(getattr(error, "message", error)) in str(last.detail)
        run_by_hand(stores, job(lambda *_: Done()))


def test_nobody_runs_what_is_being_run(empty):
    with empty.opened() as stores:
        name = lease_name(job(None))
        assert stores.catalog.jobs.take_lease(name, "other", SystemClock().now(), LEASE)
        with pytest.raises(LockedError, match="already"):
            run_by_hand(stores, job(lambda *_: Done()))


def test_what_is_committed_after_the_lease_is_lost_is_refused_before_the_journal(empty):
    def run(stores, _):
        jobs = stores.catalog.jobs
        held = jobs.lease("job audit").lease
        jobs.take_lease_away(Lease(held.name, held.holder, held.token), SystemClock().now())
        entry = NewEntry(stores.clock.now(), stores.actor, "archive.note")
        commit.append(stores, [entry])
        return Done()

    with empty.opened() as stores:
        before = stores.journal.size
        with pytest.raises(LockedError):
            run_by_hand(stores, job(run))
    with empty.opened() as stores:
        assert stores.journal.size == before


@pytest.mark.parametrize("name", sorted(JOBS))
def test_every_job_is_harmless_when_nothing_is_due(empty, name):
    with empty.opened() as stores:
        run_by_hand(stores, JOBS[name])
        assert stores.catalog.jobs.last_runs()[name].outcome is JobOutcome.DONE


@pytest.mark.parametrize(("planned", "expected"), [(2, 1), (0.5, 0.5), (None, None)])
def test_what_is_left_of_a_run_by_hand_is_gone_on_with_by_itself_before_its_time(empty, planned, expected):
    hour = timedelta(hours=1)
    with empty.opened() as stores:
        stores.clock = RehearsalClock(AT)
        if planned is not None:
            stores.catalog.jobs.plan({"audit": AT + planned * hour})
        run_by_hand(stores, job(lambda *_: Done(again_after=hour)))
        state = stores.catalog.jobs.states().get("audit")
    assert (None if state is None else state.due_at) == (None if expected is None else AT + expected * hour)
