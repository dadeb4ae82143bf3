"""Every command prints one document, and it is exactly what its schema says, on success and on failure."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from retention.cli import schemas
from retention.cli.invocation import registered
from retention.services.lifecycle.planned import PlannedMove, write_plan
from tests.cli.breaking import BREAK, ask, hold, prove, record_and_merge
from tests.cli.calling import Outcome, retention
from tests.cli.cases import APPROVED_FIRST, DONE, STOPPED, UNTIL_SIGNALLED, Case
from tests.cli.conftest import UID

LIBRARY = Path(__file__).parents[2] / "policies"


@pytest.fixture(autouse=True)
def passphrase(monkeypatch):
    monkeypatch.setenv("RETENTION_PASSPHRASE", "a secret")
    monkeypatch.setenv("RETENTION_PASSWORD", "correct horse battery")


@pytest.mark.parametrize("case", [*DONE, *STOPPED], ids=str)
def test_what_is_printed_is_what_the_schema_says(case, archive, tmp_path, samples):
    outcome = call(case, archive, tmp_path, samples)
    assert outcome.code == case.code, outcome
    assert outcome.out.count("\n") == 1
    errors = [error.message for error in validator(case.command).iter_errors(outcome.document)]
    assert errors == []
    assert outcome.document["ok"] is (case in DONE and case.code != 1)
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("cases", [DONE, STOPPED], ids=["done", "stopped"])
def test_every_command_is_tried(cases):
    assert {case.command for case in cases} | UNTIL_SIGNALLED | APPROVED_FIRST == set(registered)


@pytest.mark.parametrize("name", schemas.names())
def test_every_schema_is_one(name):
    schema = schemas.schema_of(name)
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_a_schema_refuses_what_is_not_said():
    """The test above can fail: a field too many, one too few, and both data and error are seen."""
    checked = validator("catalog migrate")
    good = {
        "schema": "retention/catalog-migrate/v1",
        "ok": True,
        "data": {"added": [], "problems": []},
        "error": None,
    }
    assert checked.is_valid(good)
    assert not checked.is_valid(good | {"data": {"added": [], "problems": [], "extra": 1}})
    assert not checked.is_valid(good | {"data": {"added": []}})
    assert not checked.is_valid(good | {"error": {"code": "x", "message": "x", "hint": None}})
    assert not checked.is_valid(good | {"schema": "retention/study-list/v1"})
    assert not checked.is_valid(good | {"ok": False})


def test_fields_are_explained_where_they_are_declared():
    fields = schemas.schema_of("audit run")["$defs"]["AuditRun"]["properties"]
    assert fields["lost"]["description"] == "Packages of which too little is left."


def call(case: Case, archive, folder, samples) -> Outcome:
    sources = folder / "sources"
    sources.mkdir()
    for name in (
        "CT_small.dcm",
        "MR_small.dcm",
        "priv_SQ.dcm",
        "README.txt",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
    ):
        shutil.copy(samples / name, sources)
    move = PlannedMove(UID, "necker", "hot", "cold", 1, "by hand")
    write_plan(folder / "moves.json", date(2030, 1, 1), [move])
    places = {"A": archive, "T": folder, "L": LIBRARY, "item": "", "U": UID}
    facts = (
        "institution,patient_id,issuer,kind,from,to,source,assurance\nnecker,1CT1,,birth,1960-01-01,,SIH,\n"
    )
    (folder / "facts.csv").write_text(facts)
    (folder / "adt.hl7").write_text(
        "MSH|^~\\&|SIH|N|||20261120||ADT^A40|M1|P|2.5\rPID|1||1CT1\rMRG|OLD\r"
        "MSH|^~\\&|SIH|N|||20261120||ADT^A08|M2|P|2.5\rPID|1||1CT1||X||19600101\r"
    )
    (folder / "bad.csv").write_text(facts + "necker,1CT1,,brith,1960-01-01,,SIH,\n")
    if "{item}" in case.arguments:
        places["item"] = retention("--archive", archive, "quarantine", "list", "--json").data["items"][0][
            "id"
        ]
    if case.command.split()[0] in {"person", "approval"} and case.has_archive:
        places["request"] = ask(archive)
    if case.command.startswith(("account", "token revoke")) and case.code == 0:
        places["token"] = prove(archive, is_locked=case.command == "account unlock")
    if case.command == "hold release" and case.code == 0:
        ask(archive)
        places["hold"] = hold(archive)
    if case.command in {"fact withdraw", "fact split"} and case.has_archive:
        places["fact"] = record_and_merge(archive)
    if case.command == "attest restitution" and case.code == 0:
        retention(
            "--archive", archive, "study", "export", UID, "--institution", "necker", "--out", folder / "out"
        )
    if "{T}/shares" in case.arguments:
        where = folder / "shares"
        retention("--archive", archive, "keys", "escrow", "--shares", "2", "--threshold", "2", "--out", where)
    if "{proposal}" in case.arguments:
        made = retention("--archive", archive, "disposal", "propose", "--institution", "necker", "--json")
        places["proposal"] = made.data["proposals"][0]["id"]
    BREAK[case.broken](archive)
    if "{recall}" in case.arguments:
        asked = retention("--archive", archive, "recall", "request", UID, "--reason", "board", "--json")
        places["recall"] = asked.data["requests"][0]["id"]
    where = ("--archive", str(archive)) if case.has_archive else ()
    words = case.arguments.split()
    return retention(
        *where, "--json", "--quiet", *case.command.split(), *(word.format(**places) for word in words)
    )


def validator(command: str) -> Draft202012Validator:
    """Return the schema's validator, closed: a field that it does not know is a fault here."""
    return Draft202012Validator(_closed(schemas.schema_of(command)))


def _closed(schema):
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if "properties" in closed and "required" in closed and "oneOf" not in closed:
        closed["additionalProperties"] = False
    return closed
