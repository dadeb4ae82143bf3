"""Schedulers that die, sleep, and meet: work goes on where it was, once; who woke up too late changes nothing."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess

import pytest
from sqlalchemy import create_engine, text

from retention.catalog.catalog import Catalog
from retention.catalog.jobs import JobOutcome, JobRun
from retention.model.clock import RehearsalClock
from retention.scheduler.scheduler import Timing
from retention.services.audit_record import decode
from tests.bad_days.victim import NEVER, Death, start_scheduler
from tests.services.instances import instance
from tests.services.world import World, until

STUDIES = tuple(f"1.2.9.{number}" for number in range(6))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
QUICK = Timing(timedelta(seconds=2), beat_s=0.3, look_s=0.1, reload_s=60, stop_s=10)
SERVER = os.environ.get("RETENTION_TEST_POSTGRESQL")
"""The address of a database that may be emptied: then the catalog lies there."""
COMMIT = "retention.services.audit.audit:Audit.commit"
WAIT_S = 40.0


@pytest.fixture
def unread(empty: World) -> World:
    """Six studies that nobody has read back for years; of all jobs only audits run."""
    settings = empty.root / "archive.yaml"
    others = ", ".join(f"{job}: '0 0 1 1 *'" for job in ("lifecycle", "recall", "decisions", "seal"))
    settings.write_text(settings.read_text() + f"\nschedule: {{audit: PT1S, {others}}}\n")
    for study in STUDIES:
        empty.send(f"{study}.dcm", instance(1, study=study))
    with empty.opened() as stores:
        stores.clock = RehearsalClock(LONG_AGO)
        empty.ingest_into(stores)
    if SERVER is not None:
        engine = create_engine(SERVER)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        settings.write_text(settings.read_text().replace("sqlite:///catalog.db", SERVER))
        Catalog.create(SERVER, stores.archive_id).close()
        with empty.opened():
            pass  # it catches up with the journal
    return empty


@contextmanager
def scheduler(world: World, death: Death = NEVER) -> Iterator[BaseProcess]:
    process = start_scheduler(world.root, QUICK, death)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def audited(world: World) -> list[str]:
    """The packages that audits have found sound, as the journal says, once for each time."""
    with world.opened(to_write=False) as stores:
        stores.journal.refresh()
        payloads = [
            e.payload for e in stores.journal.read(0) if e.envelope.action == "audit.run" and e.payload
        ]
    return [package for payload in payloads for package in decode(payload).sound]


def all_are_read(world: World) -> bool:
    with world.opened(to_write=False) as stores:
        packages = list(stores.catalog.all_packages())
    return all(shard.verified_at and shard.verified_at > LONG_AGO for p in packages for shard in p.shards)


def runs(world: World) -> list[JobRun]:
    with world.opened(to_write=False) as stores:
        return stores.catalog.jobs.runs("audit")


def is_stopped(process: BaseProcess) -> bool:
    with open(f"/proc/{process.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def holds_nothing(world: World) -> bool:
    """Whether nobody holds the commit lock or the right to write into the catalog's file."""
    with (
        open(world.root / "lock") as lock,
        closing(sqlite3.connect(world.root / "catalog.db", timeout=0)) as file,
    ):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.execute("BEGIN IMMEDIATE")
        except (BlockingIOError, sqlite3.OperationalError):
            return False
    return True


def stopped(process: BaseProcess, world: World) -> None:
    """Wait until it is stopped. One that is stopped with a lock in its hand holds up everybody until it goes on: that
    is known, and not what is tried here; it is let go on a little and stopped again."""
    assert until(lambda: is_stopped(process), 0.05, WAIT_S)
    while SERVER is None and not holds_nothing(world):
        os.kill(process.pid or 0, signal.SIGCONT)
        os.kill(process.pid or 0, signal.SIGSTOP)
        assert until(lambda: is_stopped(process), 0.01, WAIT_S)


def gets_on(world: World, sleeper: BaseProcess) -> bool:
    """Whether another one does the work; a sleeper with a lock in its hand after all is let go on a little."""
    if until(lambda: all_are_read(world), 0.1, 8.0):
        return True
    os.kill(sleeper.pid or 0, signal.SIGCONT)
    os.kill(sleeper.pid or 0, signal.SIGSTOP)
    return False


def test_one_killed_in_the_middle_of_an_audit_is_followed_by_one_that_goes_on(unread: World):
    with scheduler(unread, Death(3, COMMIT)) as first:
        first.join(WAIT_S)
        assert first.exitcode == -signal.SIGKILL
    before = audited(unread)
    assert 2 <= len(before) < len(STUDIES)
    with scheduler(unread):
        assert until(lambda: all_are_read(unread), 0.1, WAIT_S)
        assert until(lambda: runs(unread)[0].outcome is JobOutcome.DONE, 0.1, WAIT_S)
    found = audited(unread)
    assert sorted(found) == sorted(set(found))
    assert len(found) == len(STUDIES)
    assert JobOutcome.INTERRUPTED in {run.outcome for run in runs(unread)}


def test_one_that_slept_longer_than_its_lease_has_its_writes_refused(unread: World):
    with scheduler(unread, Death(3, COMMIT, after=False, number=signal.SIGSTOP)) as sleeper:
        stopped(sleeper, unread)
        before = len(audited(unread))
        assert before < len(STUDIES)
        with scheduler(unread) as other:
            assert any(gets_on(unread, sleeper) for _ in range(6))
            with unread.opened(to_write=False) as stores:
                stores.journal.refresh()
                size = stores.journal.size
            os.kill(sleeper.pid or 0, signal.SIGCONT)
            assert until(lambda: len(runs(unread)) > 3, 0.1, WAIT_S)  # the other one goes on
            os.kill(other.pid or 0, signal.SIGTERM)
            other.join(WAIT_S)
            assert other.exitcode == 0
        os.kill(sleeper.pid or 0, signal.SIGTERM)
        sleeper.join(WAIT_S)
        assert sleeper.exitcode == 0
    found = audited(unread)
    assert sorted(found) == sorted(set(found))
    assert len(found) == len(STUDIES)
    with unread.opened() as stores:
        assert stores.journal.size >= size
        assert stores.catalog.check() == []


def test_two_at_once_share_nothing_and_do_everything_once(unread: World):
    with scheduler(unread), scheduler(unread):
        assert until(lambda: all_are_read(unread), 0.1, WAIT_S)
        assert until(lambda: len(runs(unread)) >= 3, 0.1, WAIT_S)
    found = audited(unread)
    assert len(found) == len(STUDIES)
    done = [run.due_at for run in runs(unread) if run.outcome is JobOutcome.DONE]
    assert len(done) == len(set(done))
