"""More is gone than the protection bears: told is which study, what is missing, what would help; never served wrong."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from retention.cli.main import main
from tests.services.instances import OTHER_STUDY, STUDY, instance
from tests.services.world import COLD, World, flip

FAILED, FINDINGS = 1, 4


def called(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Call the program; return its exit code and its document."""
    code = main(["--archive", str(world.root), "--json", "--quiet", *arguments])
    return code, json.loads(capsys.readouterr().out)


def beyond(world: World, gone: tuple[str, ...]) -> None:
    """Lose the first shard, damage the others."""
    for name in gone[:1]:
        for path in world.shards(name):
            path.unlink()
    for name in gone[1:]:
        for path in world.shards(name):
            flip(path, 300)


@pytest.mark.parametrize("gone", list(combinations(COLD, 3))[::7], ids="-".join)
def test_it_is_told_by_audit_and_by_read_and_other_studies_are_none_the_worse(
    held: World, gone: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    beyond(held, gone)
    code, document = called(held, capsys, "study", "export", OTHER_STUDY, "--out", str(tmp_path / "lost"))
    assert code == FAILED
    error = document["error"]
    assert error["code"] == "FIX-003"
    assert f"study {OTHER_STUDY} of necker" in error["message"]
    assert f"on {gone[0]}" in error["message"]
    assert error["hint"]
    assert list((tmp_path / "lost").iterdir()) == []

    code, document = called(held, capsys, "audit", "run", "--all")
    assert code == FINDINGS
    assert (document["data"]["damaged"], document["data"]["repaired"], document["data"]["lost"]) == (3, 0, 1)
    assert {finding["volume"] for finding in document["data"]["findings"]} == set(gone)

    code, document = called(held, capsys, "study", "list")
    assert {s["study_uid"]: s["health"] for s in document["data"]["studies"]} == {
        STUDY: "sound",
        OTHER_STUDY: "lost",
    }
    code, document = called(held, capsys, "study", "export", STUDY, "--out", str(tmp_path / "sound"))
    assert (code, document["data"]["instances"]) == (0, 3)


def test_a_volume_that_is_merely_away_is_asked_for_by_name(
    held: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    for name in COLD[:3]:
        held.volume(name).rename(held.root / f"away-{name}")
    code, document = called(held, capsys, "study", "export", OTHER_STUDY, "--out", str(tmp_path / "out"))
    assert code == FAILED
    assert document["error"]["hint"] == "bring back cold-1 or cold-2 or cold-3, then run it again"
    (held.root / "away-cold-2").rename(held.volume("cold-2"))
    code, document = called(held, capsys, "study", "export", OTHER_STUDY, "--out", str(tmp_path / "out"))
    assert (code, document["data"]["instances"]) == (0, 2)


def test_the_originals_ingested_again_make_it_readable_again(
    held: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    beyond(held, COLD[:3])
    assert called(held, capsys, "audit", "run", "--all")[0] == FINDINGS
    originals = [str(held.source / f"cold-{n}.dcm") for n in (1, 2)]
    code, document = called(held, capsys, "ingest", *originals, "--institution", "necker", "--tier", "cold")
    assert (code, document["data"]["stored"], document["data"]["duplicates"]) == (0, 2, 0)
    code, document = called(held, capsys, "study", "export", OTHER_STUDY, "--out", str(tmp_path))
    assert document["data"]["instances"] == 2
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == sorted(
        instance(n, study=OTHER_STUDY, patient="IPP-2") for n in (1, 2)
    )
