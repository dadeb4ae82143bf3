"""A hold's whole life from the command line, by people who sign with the keys they have."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.calling import Outcome, retention
from tests.cli.conftest import UID


@pytest.fixture
def people(archive, tmp_path, monkeypatch):
    """Anne administers, with a key of ours; Bob and Carl are archivists, with keys of OpenSSH."""
    monkeypatch.setenv("RETENTION_PASSPHRASE", "a secret")
    monkeypatch.setenv("RETENTION_ARCHIVE", str(archive))
    keys = {"anne": tmp_path / "anne.key"}
    run("person", "add", "Anne", "--role", "administrator", "--new-key", keys["anne"])
    for name in ("bob", "carl"):
        keys[name] = tmp_path / name
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a secret", "-f", str(keys[name])], check=True
        )
        where = (
            "--institution",
            "necker",
            "--role",
            "archivist",
            "--public-key",
            keys[name].with_suffix(".pub"),
        )
        run("person", "add", name.title(), *where, "--key", keys["anne"])
    return keys


def run(*arguments: str | Path, code: int = 0) -> Outcome:
    outcome = retention(*arguments, "--json")
    assert outcome.code == code, outcome
    return outcome


def held() -> tuple[str, int]:
    (study,) = [each for each in run("study", "list").data["studies"] if each["study_uid"] == UID]
    return study["state"], study["holds"]


CASE = ("hold", "place", "--study", UID, "--owner", "Legal", "--reason", "case 26/114", "--reassess")


def test_one_places_another_asks_a_third_approves(people):
    refused = run(*CASE, "2999-01-01", "--as", "Bob", code=12)
    assert (refused.error["code"], "--key" in refused.error["hint"]) == ("REF-021", True)
    (placed,) = run(*CASE, "2999-01-01", "--key", people["bob"]).data["holds"]
    assert (placed["placed_by"], placed["studies"], held()) == ("Bob", 1, ("HELD", 1))
    (asked,) = run("hold", "release", placed["id"][:8], "--reason", "over", "--key", people["carl"]).data[
        "holds"
    ]
    request = asked["approval"]
    assert [each["awaited"] for each in run("approval", "list").data["approvals"]] == ["second_person"]
    for name in ("bob", "carl"):
        error = run("approval", "approve", request, "--key", people[name], code=12).error
        assert error["code"] == "REF-022"
    assert held() == ("HELD", 1)
    run("person", "role", "Anne", "--institution", "necker", "--add", "archivist", "--key", people["anne"])
    (done,) = run("approval", "approve", request[:12], "--key", people["anne"]).data["approvals"]
    assert (done["state"], done["given"][0]["method"], done["asked_by"]) == ("approved", "signature", "Carl")
    assert held() == ("PERMANENT", 0)
    assert run("hold", "list").data["holds"] == []
    assert run("hold", "list", "--all").data["holds"][0]["released"]


def test_a_day_that_passed_is_exit_4_and_people_are_told(people):
    run(*CASE, "2020-01-01", "--key", people["bob"])
    assert run("hold", "list", code=4).data["holds"][0]["overdue"]
    shown = retention("hold", "list")
    assert "OVERDUE: Legal was to look at" in shown.out
    assert "EN RETARD" in retention("--lang", "fr", "hold", "list").out
    checks = {each["name"]: each for each in run("doctor").data["checks"]}
    assert checks["holds"]["status"] == "warning"
