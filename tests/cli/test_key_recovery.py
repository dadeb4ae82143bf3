"""The root key is lost: shares or the recovery key open the archive again, and nothing else does."""

import stat

import pytest

from retention.cli import exit_codes
from tests.cli.calling import retention
from tests.cli.conftest import UID


@pytest.fixture
def shares(archive, tmp_path):
    made = retention(
        "--archive",
        archive,
        "keys",
        "escrow",
        "--shares",
        "3",
        "--threshold",
        "2",
        "--out",
        tmp_path / "e",
        "--json",
    )
    return made.data["files"]


def lose(archive):
    file = archive / "secrets" / "root.key"
    text = file.read_text()
    file.unlink()
    return file, text


def test_two_of_three_custodians_bring_the_root_key_back(archive, shares, tmp_path):
    file, text = lose(archive)
    assert retention("--archive", archive, "study", "export", UID, "--out", tmp_path / "no").code != 0
    done = retention(
        "--archive", archive, "keys", "recover", "--share", shares[0], "--share", shares[2], "--json"
    )
    assert done.data["recorded"] is True
    assert file.read_text() == text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert retention("--archive", archive, "study", "export", UID, "--out", tmp_path / "yes").code == 0


def test_it_comes_back_without_a_catalog_too(archive, shares):
    file, text = lose(archive)
    for path in archive.glob("catalog.db*"):
        path.unlink()
    done = retention(
        "--archive", archive, "keys", "recover", "--share", shares[0], "--share", shares[1], "--json"
    )
    assert done.data["recorded"] is False
    assert file.read_text() == text
    assert retention("--archive", archive, "catalog", "rebuild").code == 0


def test_one_custodian_alone_opens_nothing_and_writes_nothing(archive, shares):
    file, _ = lose(archive)
    failed = retention("--archive", archive, "keys", "recover", "--share", shares[0], "--json")
    assert failed.error["code"] == "KEY-001"
    assert not file.exists()


def test_a_drill_changes_nothing_and_is_remembered(archive, shares):
    before = (archive / "secrets" / "root.key").read_text()
    assert retention("--archive", archive, "keys", "status", "--json").data["drilled"] is None
    drilled = retention(
        "--archive", archive, "keys", "drill", "--share", shares[1], "--share", shares[2], "--json"
    )
    assert (drilled.data["means"], drilled.data["shares"]) == ("shares", 2)
    assert (archive / "secrets" / "root.key").read_text() == before
    known = retention("--archive", archive, "keys", "status", "--json").data
    assert known["drilled"]
    assert known["escrowed"]


def test_the_recovery_key_opens_it_from_a_file(tmp_path):
    made = retention("init", tmp_path / "A", "--json").data
    (tmp_path / "paper").write_text(made["recovery_key"].lower() + "\n")
    file, text = lose(tmp_path / "A")
    assert (
        retention(
            "--archive", tmp_path / "A", "keys", "drill", "--recovery-key-file", tmp_path / "paper"
        ).code
        != 0
    )
    done = retention(
        "--archive", tmp_path / "A", "keys", "recover", "--recovery-key-file", tmp_path / "paper"
    )
    assert done.code == 0
    assert file.read_text() == text
    again = retention(
        "--archive", tmp_path / "A", "keys", "recover", "--recovery-key-file", tmp_path / "paper"
    )
    assert again.code == exit_codes.USAGE
    assert made["recovery_key"][:5] not in done.out + done.err


@pytest.mark.parametrize("words", [[], ["--recovery-key-file", "a", "--share", "b"]])
def test_one_of_the_two_ways_is_named(archive, words):
    assert retention("--archive", archive, "keys", "drill", *words).code == exit_codes.USAGE


def test_shares_are_never_written_over_others(archive, shares, tmp_path):
    again = retention(
        "--archive", archive, "keys", "escrow", "--shares", "3", "--threshold", "2", "--out", tmp_path / "e"
    )
    assert again.code == exit_codes.USAGE
