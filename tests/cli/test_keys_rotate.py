"""`keys rotate` by command line: what is read afterwards, what is said, in JSON and in words."""

import shutil

from retention.cli import exit_codes
from tests.cli.calling import retention
from tests.cli.conftest import UID


def rotate(archive, *words):
    return retention("--archive", archive, "--json", "keys", "rotate", *words)


def test_a_rotated_archive_gives_its_studies_back_and_says_which_generation_it_has(archive, tmp_path):
    done = rotate(archive)
    assert done.code == exit_codes.DONE
    rows = {row["institution"]: row for row in done.data["institutions"]}
    assert {row["generation"] for row in rows.values()} == {2}
    assert sum(row["rewrapped"] for row in rows.values()) > 0
    assert retention("--archive", archive, "study", "export", UID, "--out", tmp_path / "out").code == 0
    status = retention("--archive", archive, "--json", "keys", "status").data
    assert {(row["generation"], row["opens_only"]) for row in status["generations"]} == {(2, 0)}
    assert all(row["since"] for row in status["generations"])
    assert retention("--archive", archive, "--json", "journal", "verify").data["valid"] is True
    assert retention("--archive", archive, "catalog", "rebuild").code == 0
    assert retention("--archive", archive, "--json", "keys", "status").data == status


def test_a_volume_that_is_away_makes_it_partial_and_the_next_one_ends_it(archive, tmp_path):
    shutil.move(archive / "cold-2", tmp_path / "away")
    done = rotate(archive, "--institution", "cochin")
    assert (done.code, done.data["behind"]) == (exit_codes.PARTIAL, ["cold-2"])
    said = retention("--archive", archive, "--lang", "fr", "keys", "status")
    assert "gardées" in said.out
    shutil.move(tmp_path / "away", archive / "cold-2")
    (row,) = rotate(archive, "--institution", "cochin").data["institutions"]
    assert (row["resumed"], row["generation"], row["destroyed"]) == (True, 2, 1)


def test_an_institution_that_is_not_there_is_told_with_what_may_be_meant(archive):
    failed = rotate(archive, "--institution", "coch")
    assert failed.code == exit_codes.USAGE
    assert "cochin" in failed.error["hint"]
