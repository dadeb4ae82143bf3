"""Several runs at once, in processes of their own: each does its own work once, and none is another's bad day."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import pytest

from retention.model.errors import LockedError
from tests.bad_days.after import require_sound, require_whole_or_absent
from tests.bad_days.victim import NEVER, Death, noted, run, start
from tests.services.instances import instance, unidentified
from tests.services.world import World, contents, flip

STUDIES = tuple(f"1.2.9.{number}" for number in range(6))
DONE, PARTIAL, FINDINGS, INTERRUPTED = 0, 3, 4, 130


@pytest.fixture
def sent(empty: World) -> World:
    for study in STUDIES:
        for number in (1, 2):
            empty.send(f"{study}/{number}.dcm", instance(number, study=study))
    return empty


def ingest(world: World, *paths: Path, tier: str = "hot") -> list[str]:
    given = [str(path) for path in paths or [world.source]]
    return [
        "--archive",
        str(world.root),
        "--quiet",
        "ingest",
        *given,
        "--institution",
        "necker",
        "--tier",
        tier,
    ]


def audit(world: World) -> list[str]:
    return ["--archive", str(world.root), "--quiet", "audit", "run", "--all"]


def together(*programs: list[str]) -> list[int | None]:
    """Run programs at the same time; return their exit codes."""
    processes = [start(program) for program in programs]
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def test_two_ingests_of_the_same_files_store_each_of_them_once(sent: World):
    """Into a new archive, whose institution both would make."""
    sent.send("odd/1.dcm", unidentified())
    codes = together(ingest(sent), ingest(sent), ingest(sent, tier="cold"))
    assert set(codes) <= {DONE, PARTIAL}
    with sent.opened() as stores:
        assert [record.spec.name for record in stores.catalog.institutions()] == ["necker"]
        counts = stores.catalog.counts()
    assert (counts.studies, counts.instances, counts.quarantined) == (6, 13, 1)
    assert contents(sent.export()) == sorted(sent.sent.values())
    require_sound(sent)


def test_one_instance_in_two_forms_sent_at_once_is_a_first_and_a_conflict(sent: World):
    for study in STUDIES:
        sent.send(f"other/{study}-1.dcm", instance(1, study=study, pixels=90))
    mine = [sent.source / study for study in STUDIES]
    assert set(together(ingest(sent, *mine), ingest(sent, sent.source / "other"))) <= {DONE, PARTIAL}
    with sent.opened() as stores:
        assert stores.catalog.counts().instances == 18
    assert contents(sent.export()) == sorted(sent.sent.values())
    assert sent.ingest().duplicates == 18
    require_sound(sent)


def test_ingest_while_an_audit_runs_disturbs_neither(sent: World):
    """What is just being published is no finding, and nothing is repaired that is not damaged."""
    first = [sent.source / study for study in STUDIES[:2]]
    assert run(ingest(sent, *first)) == DONE
    rest = [sent.source / study for study in STUDIES[2:]]
    codes = together(audit(sent), ingest(sent, *rest, tier="cold"), audit(sent), audit(sent))
    assert codes == [DONE] * 4
    assert require_whole_or_absent(sent) == set(STUDIES)
    require_sound(sent)


def test_two_audits_repair_one_damage_once(sent: World):
    assert run(ingest(sent, tier="cold")) == DONE
    for path in sent.shards("cold-2", "cold-3"):
        flip(path, 300)
    codes = together(audit(sent), audit(sent), ingest(sent, tier="cold"))
    assert set(codes[:2]) <= {DONE, FINDINGS}
    assert codes[2] == DONE
    require_sound(sent)
    assert {shard.generation for package in sent.packages() for shard in package.shards} == {0, 1}


def test_a_start_beside_a_living_run_cleans_nothing_of_its(sent: World, tmp_path: Path):
    """The one that starts finds uploads, shards and a session of one that is alive, again and again."""
    log = tmp_path / "log"
    process = start(ingest(sent, tier="cold"), NEVER, log)
    starts = 0
    while process.is_alive():
        with suppress(LockedError), sent.opened():  # it may well have to wait too long
            starts += 1
    process.join()
    assert process.exitcode == DONE
    assert starts >= 2
    assert set(noted(log, "acknowledged")) == set(STUDIES)
    assert require_whole_or_absent(sent) == set(STUDIES)
    require_sound(sent)


@pytest.mark.parametrize("nth", [1, 8])
def test_an_interrupt_leaves_a_state_that_can_be_resumed_and_says_so(sent: World, tmp_path: Path, nth: int):
    """Ctrl-C at a package on its way: what was committed stays, what was not is gone."""
    log = tmp_path / "log"
    death = Death(nth, "retention.services.uploads:ShardUpload.write", number=signal.SIGINT)
    assert run(ingest(sent, tier="cold"), death, log) == INTERRUPTED
    held = require_whole_or_absent(sent, noted(log, "acknowledged"))
    assert held != set(STUDIES)
    assert run(ingest(sent, tier="cold")) == DONE
    assert require_whole_or_absent(sent) == set(STUDIES)
    require_sound(sent)


@pytest.mark.parametrize(
    "step", ["retention.services.audit.repair:rebuild", "retention.services.commit:append_locked"]
)
def test_an_interrupted_audit_can_be_run_again(sent: World, step: str):
    assert run(ingest(sent, tier="cold")) == DONE
    for path in sent.shards("cold-2"):
        path.unlink()
    assert run(audit(sent), Death(2, step, number=signal.SIGINT)) == INTERRUPTED
    assert require_whole_or_absent(sent) == set(STUDIES)
    assert run(audit(sent)) == FINDINGS
    assert run(audit(sent)) == DONE
    require_sound(sent)


def test_an_interrupt_while_a_group_is_finished_waits_for_it(sent: World, tmp_path: Path):
    """The group on its way to the journal gets there, and is kept."""
    log = tmp_path / "log"
    death = Death(1, "retention.services.uploads:seal_and_publish", number=signal.SIGINT)
    code = run(ingest(sent), death, log)
    assert code in (INTERRUPTED, DONE)
    held = require_whole_or_absent(sent, noted(log, "acknowledged"))
    assert held in (set(), set(STUDIES))
    assert run(ingest(sent)) == DONE
    require_sound(sent)
