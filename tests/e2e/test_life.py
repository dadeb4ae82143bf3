"""A study's life over the tiers, as an operator drives it: hot, cold, glacier, and back for a week."""

import pytest

from tests.e2e.program import Program
from tests.services.instances import instance

UID = "1.2.840.99.1"


class Rehearsal:
    """An archive whose clock is said with each call."""

    def __init__(self, folder):
        self.program = Program(folder / "R")
        self.on("2026-11-24", "init", folder / "R", "--rehearsal")
        self.on(
            "2026-11-24", "institution", "add", "necker", "--plan", "standard", "--timezone", "Europe/Paris"
        )

    def on(self, at, *arguments, code=0):
        return self.program("--as-of", at, *arguments, code=code).data


@pytest.fixture
def files(tmp_path):
    """One CT study of more than a mebibyte, of 2026-11-01."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.dcm").write_bytes(instance(number, rows=800))
    return folder


def test_a_life(tmp_path, files):
    archive = Rehearsal(tmp_path)
    archive.on("2026-11-24", "ingest", files, "--institution", "necker")

    assert archive.on("2026-11-24", "lifecycle", "plan")["moves"] == []
    (planned,) = archive.on("2026-11-24", "lifecycle", "plan", "--at", "2029-11-01")["moves"]
    assert (planned["study_uid"], planned["from"], planned["to"]) == (UID, "hot", "cold")
    assert planned["rule"] == "standard/tiers_for[0]"

    assert archive.on("2029-11-01", "lifecycle", "run")["moved"] == 1
    assert lies_on(archive, "2029-11-01") == ("cold", ["cold"])
    assert archive.on("2029-11-03", "lifecycle", "run")["dropped"] == 1

    plan = tmp_path / "plan.json"
    archive.on("2036-11-01", "lifecycle", "plan", "--out", plan)
    assert archive.on("2036-11-01", "lifecycle", "apply", plan)["moved"] == 1
    assert archive.on("2036-11-01", "lifecycle", "apply", plan)["skipped"] == 1
    assert archive.on("2036-11-03", "lifecycle", "run")["dropped"] == 1

    early = archive.program("--as-of", "2036-12-01", "study", "export", UID, "--out", tmp_path / "x", code=75)
    assert "recall request" in early.document["error"]["hint"]
    asked = archive.on("2036-12-01", "recall", "request", UID, "--reason", "tumour board")["requests"][0]
    assert (asked["state"], asked["eta"]) == ("requested", "2036-12-01T12:00:00.000000Z")
    (ready,) = archive.on("2036-12-01T12:00:00Z", "recall", "list")["requests"]
    assert (ready["state"], ready["until"]) == ("ready", "2036-12-08T12:00:00.000000Z")
    assert lies_on(archive, "2036-12-02") == ("glacier", ["glacier", "hot"])
    archive.on("2036-12-02", "study", "export", UID, "--out", tmp_path / "out")
    given = sorted(path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm"))
    assert given == sorted(path.read_bytes() for path in files.iterdir())

    assert archive.on("2036-12-09", "lifecycle", "run")["dropped"] == 1
    assert lies_on(archive, "2036-12-09") == ("glacier", ["glacier"])
    assert archive.on("2036-12-09", "recall", "list")["requests"] == []
    assert archive.on("2036-12-09", "audit", "run", "--all")["findings"] == []
    assert archive.on("2036-12-09", "catalog", "check")["problems"] == []


def lies_on(archive, at):
    (study,) = archive.on(at, "study", "list")["studies"]
    return study["tier"], sorted(study["tiers"])
