"""A scheduler left running on a rehearsal archive does its audits, seals and moves on time.

Some seconds in every test run; TEN_MINUTES=1 makes it ten minutes, with longer times between.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retention.archive import open_archive
from retention.catalog.jobs import JobOutcome
from tests.e2e.program import Program, environment
from tests.services.instances import OTHER_STUDY, STUDY, instance

IS_LONG = bool(os.environ.get("TEN_MINUTES"))
RUNS_S = 600 if IS_LONG else 12
MIDNIGHT = datetime(2029, 11, 1, tzinfo=UTC)
BEGINS = MIDNIGHT - timedelta(seconds=RUNS_S / 3)
EVERY = {"audit": 60, "lifecycle": 45, "seal": 30} if IS_LONG else {"audit": 3, "lifecycle": 2, "seal": 2}
SEAL_EVERY_S = 120 if IS_LONG else 4
SLACK = timedelta(seconds=15)
"""How late a busy machine may be, and what counts as late."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Program:
    """An archive with one study that is due for cold and one that is at midnight, after the scheduler has run."""
    folder = tmp_path_factory.mktemp("scheduled")
    program = Program(folder / "A")
    Program.run("init", program.archive, "--rehearsal")
    settings = program.archive / "archive.yaml"
    times = ", ".join(f"{job}: PT{seconds}S" for job, seconds in EVERY.items())
    ours = f"\njournal: {{seal_every: PT{SEAL_EVERY_S}S}}\nschedule: {{{times}}}\n"
    settings.write_text(settings.read_text() + ours)
    (folder / "in").mkdir()
    (folder / "in" / "a.dcm").write_bytes(instance(1, study=STUDY, on="20261101"))
    (folder / "in" / "b.dcm").write_bytes(instance(1, study=OTHER_STUDY, on="20261001"))
    program("--as-of", "2026-11-02", "ingest", folder / "in", "--institution", "necker")
    program("--as-of", "2026-11-02", "institution", "set", "necker", "--plan", "standard")
    live(program.archive, RUNS_S)
    return program


def live(archive: Path, seconds: float) -> None:
    """Let a scheduler run for so long, from BEGINS on, and stop it as systemd does."""
    command = [sys.executable, "-m", "retention", "--archive", str(archive), "--as-of", BEGINS.isoformat()]
    command += ["serve", "--only", "scheduler"]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "failed" not in said


def test_each_job_ran_again_and_again_when_it_was_due(lived: Program):
    with closing(open_archive(lived.archive)) as stores:
        for name, seconds in EVERY.items():
            runs = stores.catalog.jobs.runs(name, 1000)
            assert {run.outcome for run in runs} == {JobOutcome.DONE}, name
            assert len(runs) >= max(2, (RUNS_S - SLACK.seconds) // seconds), name
            late = [run for run in runs if run.due_at is None or run.started_at - run.due_at > SLACK]
            assert late == [], name
            assert sum(run.missed for run in runs) == 0


def test_what_was_due_was_read_back(lived: Program):
    with closing(open_archive(lived.archive)) as stores:
        for package in stores.catalog.all_packages():
            verified = [shard.verified_at for shard in package.shards]
            assert all(at is not None and at >= BEGINS for at in verified)
        audited = sum(run.numbers.get("checked", 0) for run in stores.catalog.jobs.runs("audit", 1000))
    assert audited >= 1


def test_studies_moved_when_their_time_came_and_not_before(lived: Program):
    assert {study["tier"] for study in lived.studies()} == {"cold"}
    with closing(open_archive(lived.archive)) as stores:
        moves = [
            entry.envelope.at for entry in stores.journal.read(0) if entry.envelope.action == "package.move"
        ]
    assert len(moves) == 2
    assert moves[0] < MIDNIGHT
    assert MIDNIGHT <= moves[1] <= MIDNIGHT + timedelta(seconds=EVERY["lifecycle"]) + SLACK


def test_the_journal_was_sealed_as_often_as_it_should_be(lived: Program):
    with closing(open_archive(lived.archive)) as stores:
        actions = Counter(entry.envelope.action for entry in stores.journal.read(0))
    wanted = (RUNS_S - SLACK.seconds) // (SEAL_EVERY_S + EVERY["seal"])
    assert actions["journal.seal"] >= max(2, wanted)
    assert lived("journal", "verify").data["valid"]


def test_schedule_list_says_so(lived: Program):
    at = BEGINS + timedelta(seconds=RUNS_S)
    listed = lived("--as-of", at.isoformat(), "schedule", "list").data
    assert listed["scheduler"]["alive"] is False
    assert {
        job["name"]: job["last"]["outcome"] for job in listed["jobs"] if job["name"] in EVERY
    } == dict.fromkeys(EVERY, "done")
