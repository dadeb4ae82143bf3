"""Every command prints one document, and it is exactly what its schema says, on success and on failure."""

import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from retention.cli import schemas
from retention.cli.invocation import registered
from retention.services.lifecycle.planned import PlannedMove, write_plan
from tests.cli.breaking import BREAK, ask, hold, prove, record_and_merge
from tests.cli.calling import Outcome, retention
from tests.cli.conftest import SHARED_UID, UID

LIBRARY = Path(__file__).parents[2] / "policies"


@dataclass(frozen=True)
class Case:
    """A call, its exit code, and what is broken before it.

    `{A}` is the archive, `{T}` a free folder, `{L}` the library of policies.
    """

    command: str
    arguments: str = ""
    code: int = 0
    broken: str = ""
    has_archive: bool = True

    def __str__(self) -> str:
        return f"{self.command} {self.arguments} = {self.code}{self.broken and ', ' + self.broken}"


DONE = [
    Case("init", "{T}/new"),
    Case("init", "{T}/new --name x --rehearsal"),
    Case("ingest", "{T}/sources --institution necker", 3),
    Case("ingest", "{T}/sources/CT_small.dcm --institution cochin --tier cold --jobs 1"),
    Case("doctor"),
    Case("doctor", code=4, broken="a volume is gone"),
    Case("demo", "--dicom {T}/sources", has_archive=False),
    Case("schema", "study list", has_archive=False),
    Case("schema", "config", has_archive=False),
    Case("study list"),
    Case("study list", "--limit 2 --tier cold --institution cochin --state permanent"),
    Case("study show", UID),
    Case("study show", UID, broken="two shards are gone"),
    Case("study export", f"{UID} --out {{T}}/out"),
    Case("study export", "--all --institution necker --out {T}/out"),
    Case("study export", f"{UID} --out {{T}}/out", 1, broken="two shards are gone"),
    Case("lifecycle plan"),
    Case("lifecycle plan", "--at 2040-01-01 --out {T}/plan.json"),
    Case("lifecycle apply", "{T}/moves.json"),
    Case("lifecycle run", "--max-bytes 1GiB --rate 100 --max-seconds 60"),
    Case("recall request", f"{UID} --reason board", broken="a study is on glacier"),
    Case("recall list", "--all"),
    Case("recall list", broken="a study is on glacier"),
    Case("recall cancel", "{recall}", broken="a study is on glacier"),
    Case("audit run", "--all"),
    Case("audit run", f"--study {UID} --no-repair", 4, broken="two shards are gone"),
    Case("audit run", "--tier cold", 4, broken="a volume is gone"),
    Case("audit run", "--all", 4, broken="a volume is emptied"),
    Case("catalog check"),
    Case("catalog check", code=4, broken="a volume is emptied"),
    Case("catalog rebuild"),
    Case("catalog rebuild", broken="the catalog is gone"),
    Case("catalog migrate"),
    Case("volume list"),
    Case("volume check", code=4, broken="a volume is gone"),
    Case("volume replace", "cold-6 --url file:{T}/other"),
    Case("volume add", "spare", broken="a volume is new"),
    Case("volume locks"),
    Case("quarantine list"),
    Case("quarantine export", "{item} --out {T}/out"),
    Case("policy new", has_archive=False),
    Case("policy new", "--from generic-20-years --out {T}/new.yaml"),
    Case("policy schema", has_archive=False),
    Case("policy validate", "{L}"),
    Case("policy validate", "{L} {A}/archive.yaml", 5),
    Case("policy test", "{L}", has_archive=False),
    Case("policy test", "{A}/archive.yaml", 5),
    Case("report compliance", "--year 2026 --out {T}/report"),
    Case("report verify", "{T}/sources", 4),
    Case("policy diff", "{L}/generic-20-years.yaml"),
    Case("policy diff", "{L}/fr-csp-r1112-7.yaml --institution necker"),
    Case("policy apply", "{L}/generic-20-years.yaml"),
    Case("policy list"),
    Case("policy show", "standard"),
    Case("policy explain", UID),
    Case("policy explain", f"{UID} --at 2050-01-01 --known-at 2026-11-24"),
    Case("institution add", "lariboisiere --title X --ae-title LRB_1 --entity aphp --timezone Europe/Paris"),
    Case("institution set", "necker --ae-title NECKER_1 --ae-title NECKER_2 --plan standard"),
    Case("institution list"),
    Case("config show"),
    Case("config check"),
    Case("config apply"),
    Case(
        "fact record",
        "--institution necker --patient NOBODY --source SIH --assurance verified birth 1960-01-01",
    ),
    Case(
        "fact record",
        "--institution necker --patient A^B --source SIH liability_appeal 2020-01-01 --until 2020-02-01",
    ),
    Case("fact import", "{T}/facts.csv"),
    Case("fact import", "{T}/facts.csv --dry-run"),
    Case("fact import", "{T}/adt.hl7 --institution necker --assurance verified --no-issuer"),
    Case("fact merge", "--institution necker --patient 1CT1 --into 4MR1 --source letter"),
    Case("fact attribute", "--institution necker --patient X --source letter --study " + SHARED_UID),
    Case("fact import", "{T}/bad.csv", 3),
    Case("fact withdraw", "{fact} --source letter"),
    Case("fact split", "--institution necker --patient GONE --source letter"),
    Case("fact list"),
    Case("fact list", "--pending --institution necker --patient 1CT1"),
    Case("institution show", "cochin"),
    Case("person add", "Anne --role administrator --new-key {T}/anne.key"),
    Case("person add", "Bob --role archivist --institution necker --email bob@example.org"),
    Case("person role", "Dim --institution necker --add director"),
    Case("person key", "Dim --new-key {T}/dim.key"),
    Case("person list"),
    Case("token create", "viewer --institution necker --role reader --until 2027-06-30"),
    Case("token revoke", "{token}"),
    Case("account add", "Bob --institution necker --role reader --role ingest"),
    *(Case(f"{kind} list") for kind in ("token", "account")),
    *(Case(f"account {verb}", "Vera") for verb in ("lock", "unlock", "password")),
    Case("hold place", "--study {U} --owner Legal --reason appeal --reassess 2999-01-01"),
    Case(
        "hold place", "--patient 7^X --institution necker --owner Legal --reason appeal --reassess 2020-01-01"
    ),
    Case("hold release", "{hold} --reason over --as Dim --key {A}/dim.key"),
    Case("hold list", "--all"),
    Case("hold list", code=4, broken="a hold is overdue"),
    Case("disposal propose", "--institution necker"),
    Case("disposal list"),
    Case("disposal show", "{proposal}"),
    Case("disposal bordereau", "{proposal} --out {T}/bordereau.csv"),
    Case("disposal request", f"{UID} --reason letter", 12),
    Case("approval list", "--all"),
    Case("approval approve", "{request} --as Dora --key {A}/dora.key"),
    Case("approval reject", "{request} --as Dora --key {A}/dora.key --reason no"),
    Case("keys status"),
    Case("keys rotate"),
    Case("keys escrow", "--shares 3 --threshold 2 --out {T}/escrow"),
    Case("keys drill", "--share {T}/shares/share-1-of-2.txt --share {T}/shares/share-2-of-2.txt"),
    Case(
        "keys recover",
        "--share {T}/shares/share-1-of-2.txt --share {T}/shares/share-2-of-2.txt",
        broken="the root key is gone",
    ),
    Case("keys status", "--recovery-stored"),
    Case("schedule list"),
    Case("schedule run", "audit"),
    Case("schedule run", "audit", 4, broken="two shards are gone"),
    Case("schedule pause", "audit --reason disks --until 2999-01-01"),
    Case("schedule resume", "audit", broken="a job is paused"),
    Case("journal verify"),
    Case("journal verify", code=4, broken="a volume is emptied"),
    Case("journal verify", "--trust {A}/lock", 4),
    Case("journal seal"),
    Case("journal show", "--from 3 --limit 2 --action volume.add"),
    Case("journal prove", "3 --out {T}/proof", broken="the journal is sealed"),
    Case("journal prove", "--from 3", broken="the journal is sealed"),
    Case("journal export", "--out {T}/journal"),
    Case("journal cosign", "{T}/seal --out {T}/cosigned", broken="a seal of another archive came"),
]
APPROVED_FIRST = {"disposal execute", "disposal certificate"}
"""Tried in tests/e2e/test_disposal.py, where people approve."""
UNTIL_SIGNALLED = {"serve"}
"""Tried in tests/e2e/test_serve.py."""

STOPPED = [
    Case("keys escrow", "--shares 1 --threshold 1 --out {T}/escrow", 2),
    Case("keys rotate", "--institution nowhere", 2),
    Case("keys drill", "", 2),
    Case("keys recover", "--recovery-key-file {T}/facts.csv", 2),
    Case("schedule list", code=10, broken="the catalog is gone"),
    Case("schedule run", "audits", 2),
    Case("schedule pause", "audit --reason x --until 2000-01-01", 2),
    Case("schedule pause", "audit --reason x --until soon", 2),
    Case("schedule resume", "audit", 2),
    Case("init", "{A}", 2),
    Case("init", "", 2),
    Case("ingest", "{T}/sources --institution neker", 2),
    Case("ingest", "{T}/nowhere --institution necker", 6),
    Case("doctor", has_archive=False, code=10),
    Case("demo", "--dicom {T}/nowhere", 6, has_archive=False),
    Case("schema", "study lst", 2, has_archive=False),
    Case("study list", "--state LOST", 2),
    Case("study list", "--after 1.2.3", 6),
    Case("study show", "1.2.3", 6),
    Case("study show", SHARED_UID, 2),
    Case("study export", "1.2.3 --out {T}/out", 6),
    Case("study export", "--out {T}/out", 2),
    Case("study export", f"{UID} --all --out {{T}}/out", 2),
    Case("lifecycle plan", "--at tomorrow", 2),
    Case("lifecycle apply", "{T}/nowhere.json", 6),
    Case("lifecycle apply", "{A}/archive.yaml", 2),
    Case("lifecycle run", "--max-bytes many", 2),
    Case("recall request", f"{UID} --reason board", 2),
    Case("recall request", "1.2.3 --reason board", 6),
    Case("recall request", UID, 2),
    Case("recall list", code=10, broken="the catalog is gone"),
    Case("recall cancel", "nothing", 6),
    Case("study export", f"{UID} --out {{T}}/out", 75, broken="a study is on glacier"),
    Case("audit run", "", 2),
    Case("audit run", "--study 1.2.3", 6),
    Case("catalog check", code=10, broken="the catalog is gone"),
    Case("catalog rebuild", has_archive=False, code=10),
    Case("catalog migrate", code=10, broken="the catalog is gone"),
    Case("volume list", code=10, broken="the catalog is gone"),
    Case("volume check", has_archive=False, code=10),
    Case("volume replace", "cold-9", 2),
    Case("volume add", "cold-1", 2),
    Case("volume locks", has_archive=False, code=10),
    Case("quarantine list", "--institution neker", 2),
    Case("quarantine export", "nothing --out {T}/out", 6),
    Case("policy new", "--from generic-20", 2),
    Case("policy schema", "France", 2),
    Case("policy validate", "{T}/sources", 6),
    Case("policy test", "{T}/nowhere", 6, has_archive=False),
    Case("report compliance", "--year 2026 --from 2026-01-01 --out {T}/report", 2),
    Case("report verify", "{T}/nowhere", 2),
    Case("policy diff", "{A}/archive.yaml", 5),
    Case("policy apply", "{A}/archive.yaml", 5),
    Case("policy list", has_archive=False, code=10),
    Case("policy show", "fr-csp", 2),
    Case("policy explain", "1.2.3", 6),
    Case("policy explain", SHARED_UID, 2),
    Case("institution add", "necker", 2),
    Case("institution add", "lariboisiere --timezone Paris", 2),
    Case("institution set", "neker --title X", 2),
    Case("institution set", "necker --policy fr-csp-r1112-7", 2),
    Case("config show", has_archive=False, code=10),
    Case("config check", code=10, broken="archive.yaml is gone"),
    Case("config apply", "nonsense", 2),
    Case("institution list", has_archive=False, code=10),
    Case("fact record", "--institution necker --patient A --source SIH brith 1960-01-01", 2),
    Case("fact record", "--institution necker --patient A --source SIH birth", 2),
    Case("fact record", "--institution necker --patient A --source SIH birth 2960-01-01", 2),
    Case("fact import", "nothing.csv", 1),
    Case("fact withdraw", "0 --source x", 6),
    Case("fact import", "{T}/adt.hl7", 2),
    Case("fact attribute", "--institution necker --patient X --source letter --study 1.2", 6),
    Case("fact merge", "--institution necker --patient NOBODY --into 1CT1 --source letter", 6),
    Case("fact split", "--institution necker --patient 1CT1 --source letter", 2),
    Case("fact list", "--after 0000", 6),
    Case("institution show", "neker", 2),
    Case("person add", "Dim", 2),
    Case("person add", "Bob --role archivst", 2),
    Case("person role", "Nobody --add director", 6),
    Case("person key", "Dim", 2),
    Case("person list", has_archive=False, code=10),
    Case("token create", "viewer --role reader --until 2001-01-01", 2),
    Case("token revoke", "nothing", 6),
    Case("account add", "Bob", 2),
    *(Case(f"{kind} list", has_archive=False, code=10) for kind in ("token", "account")),
    *(Case(f"account {verb}", "Nobody", 6) for verb in ("lock", "unlock", "password")),
    Case(
        "hold place", "--study x --institution necker --owner Legal --reason appeal --reassess 2999-01-01", 2
    ),
    Case("hold place", "--query modality:CT --owner Legal --reason appeal --reassess 2999-01-01", 2),
    Case("hold release", "nothing --reason over", 6),
    Case("hold list", "--institution neker", 2),
    Case("disposal propose", "--institution neker", 2),
    Case("disposal list", has_archive=False, code=10),
    Case("disposal show", "nothing", 6),
    Case("disposal bordereau", "nothing --out {T}/bordereau.csv", 6),
    Case("disposal execute", "{proposal}", 12),
    Case("disposal request", "1.2.3 --reason letter", 6),
    Case("disposal certificate", "{proposal} --out {T}/certificate.json", 6),
    Case("approval list", has_archive=False, code=10),
    Case("approval approve", "{request}", 12),
    Case("approval approve", "{request} --external archives_visa", 2),
    Case("approval reject", "{request} --reason no", 12),
    Case("keys status", code=1, broken="the root key is gone"),
    Case("journal verify", code=10, broken="archive.yaml is gone"),
    Case("journal verify", "--trust {A}/archive.yaml", 2),
    Case("journal seal", "--cosigned {A}/archive.yaml", 2),
    Case("journal show", has_archive=False, code=10),
    Case("journal prove", "3", 2),
    Case("journal prove", "99999", 6),
    Case("journal prove", "", 2),
    Case("journal export", "--out {A}/out", 2),
    Case("journal cosign", "{A}/archive.yaml", 1),
]


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
