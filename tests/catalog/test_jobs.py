"""Jobs, their runs and leases: what is remembered, and who may go on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.jobs import Beginning, Ending, JobOutcome, Pause
from retention.catalog.leases import Lease
from retention.model.errors import LockedError
from tests.catalog.making import AT

MINUTE = timedelta(minutes=1)


def taken(catalog: Catalog, holder: str = "one", at=AT) -> Lease:
    lease = catalog.jobs.take_lease("job audit", holder, at, MINUTE)
    assert lease is not None
    return lease


def test_a_lease_is_one_holders_until_its_time_is_over(empty: Catalog):
    first = taken(empty)
    assert empty.jobs.take_lease("job audit", "two", AT + MINUTE / 2, MINUTE) is None
    assert empty.jobs.renew_leases([first], AT + MINUTE / 2, MINUTE) == []
    assert empty.jobs.take_lease("job audit", "two", AT + MINUTE, MINUTE) is None
    second = taken(empty, "two", AT + 2 * MINUTE)
    assert second.token == first.token + 1
    assert empty.jobs.renew_leases([first], AT + 2 * MINUTE, MINUTE) == [first]


def test_a_lease_given_back_is_free_at_once(empty: Catalog):
    first = taken(empty)
    empty.jobs.release_lease(first, AT)
    second = taken(empty, "two")
    empty.jobs.release_lease(first, AT)
    assert empty.jobs.take_lease("job audit", "three", AT, MINUTE) is None
    assert second.token == 2


def test_a_lease_taken_by_a_clock_that_was_set_back_does_not_hold_for_years(empty: Catalog):
    taken(empty, at=AT + timedelta(days=3650))
    assert taken(empty, "two").token == 2


def test_a_lease_renewed_by_a_clock_that_is_a_little_ahead_is_not_taken_over(empty: Catalog):
    first = taken(empty)
    ahead = AT + timedelta(seconds=5)
    assert empty.jobs.renew_leases([first], ahead, MINUTE) == []
    assert empty.jobs.take_lease("job audit", "two", AT + timedelta(seconds=4), MINUTE) is None
    assert empty.jobs.holds([first])


def test_what_is_written_without_its_lease_is_refused_and_leaves_nothing(empty: Catalog):
    first = taken(empty)
    empty.fence = (first,)
    with empty.transaction() as transaction:
        transaction.set_state("mine", "1")
    taken(empty, "two", AT + 2 * MINUTE)
    with pytest.raises(LockedError, match="job audit"), empty.transaction() as transaction:
        transaction.set_state("mine", "2")
    assert empty.state("mine") == "1"


def test_a_lease_taken_away_from_a_thread_that_hangs_refuses_its_writes(empty: Catalog):
    first = taken(empty)
    empty.jobs.take_lease_away(first, AT)
    empty.fence = (first,)
    with pytest.raises(LockedError), empty.transaction():
        pass
    assert taken(empty).token == 3


def test_a_run_is_seen_from_its_beginning_and_ends_once(empty: Catalog):
    lease = taken(empty)
    run_id = empty.jobs.begin("audit", Beginning(lease, AT, AT - MINUTE, 2))
    assert empty.jobs.last_runs()["audit"].outcome is JobOutcome.RUNNING
    again_at = AT + 9 * MINUTE
    ending = Ending(AT + MINUTE, JobOutcome.DONE, {"checked": 5}, "a; b", is_left=True, due_at=again_at)
    empty.jobs.end(run_id, lease, ending)
    (run,) = empty.jobs.runs("audit")
    assert (run.outcome, run.numbers, run.missed) == (JobOutcome.DONE, {"checked": 5}, 2)
    assert (run.detail, run.is_left, run.ended_at) == ("a; b", True, AT + MINUTE)
    assert empty.jobs.states()["audit"].due_at == again_at


def test_a_run_that_nobody_ended_was_interrupted(empty: Catalog):
    first = taken(empty)
    run_id = empty.jobs.begin("audit", Beginning(first, AT))
    second = taken(empty, "two", AT + 2 * MINUTE)
    empty.jobs.begin("audit", Beginning(second, AT + 2 * MINUTE))
    assert [run.outcome.value for run in empty.jobs.runs("audit")] == ["running", "interrupted"]
    with pytest.raises(LockedError):
        empty.jobs.end(run_id, first, Ending(AT, JobOutcome.DONE))


def test_only_the_last_run_of_a_job_is_kept_for_ever(empty: Catalog):
    lease = taken(empty)
    for number in range(3):
        run_id = empty.jobs.begin("audit", Beginning(lease, AT + number * MINUTE))
        empty.jobs.end(run_id, lease, Ending(AT + number * MINUTE, JobOutcome.DONE))
    assert empty.jobs.forget_runs(AT + 2 * MINUTE) == 2
    assert empty.jobs.forget_runs(AT + 9 * MINUTE) == 0
    assert len(empty.jobs.runs("audit")) == 1


def test_a_paused_job_keeps_its_plan_until_it_is_resumed(empty: Catalog):
    empty.jobs.plan({"audit": AT})
    with empty.transaction() as transaction:
        transaction.jobs.pause(Pause("audit", AT, AT + MINUTE, "Anne", "disks"))
    state = empty.jobs.states()["audit"]
    assert (state.due_at, state.paused_by, state.reason) == (AT, "Anne", "disks")
    assert state.is_paused(AT)
    assert not state.is_paused(AT + MINUTE)
    with empty.transaction() as transaction:
        transaction.jobs.resume("audit")
    state = empty.jobs.states()["audit"]
    assert (state.due_at, state.paused_at, state.paused_by) == (None, None, None)
