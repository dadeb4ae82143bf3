"""Every command prints one document, and it is exactly what its schema says, on success and on failure."""

import json
import shutil
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from retention.archive import open_archive, prepare_to_write
from retention.cli import schemas
from retention.cli.invocation import registered
from retention.policy.documents import Approver
from retention.services import approvals, holds, registry
from retention.services.lifecycle.planned import PlannedMove, write_plan
from retention.signatures.keys import make_private_key
from retention.signatures.signer import open_signer
from tests.cli.calling import Outcome, retention
from tests.cli.conftest import SHARED_UID, UID
from tests.services.move.moving import move_in

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
    Case("institution show", "cochin"),
    Case("person add", "Anne --role administrator --new-key {T}/anne.key"),
    Case("person add", "Bob --role archivist --institution necker --email bob@example.org"),
    Case("person role", "Dim --institution necker --add director"),
    Case("person key", "Dim --new-key {T}/dim.key"),
    Case("person list"),
    Case("hold place", "--study {U} --owner Legal --reason appeal --reassess 2999-01-01"),
    Case(
        "hold place", "--patient 7^X --institution necker --owner Legal --reason appeal --reassess 2020-01-01"
    ),
    Case("hold release", "{hold} --reason over --as Dim --key {A}/dim.key"),
    Case("hold list", "--all"),
    Case("hold list", code=4, broken="a hold is overdue"),
    Case("approval list", "--all"),
    Case("approval approve", "{request} --as Dora --key {A}/dora.key"),
    Case("approval reject", "{request} --as Dora --key {A}/dora.key --reason no"),
    Case("keys status"),
    Case("keys status", "--recovery-stored"),
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
UNTIL_SIGNALLED = {"serve"}
"""Tried in tests/e2e/test_serve.py."""

STOPPED = [
    Case("serve", "--only web", 2),
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
    Case("institution show", "neker", 2),
    Case("person add", "Dim", 2),
    Case("person add", "Bob --role archivst", 2),
    Case("person role", "Nobody --add director", 6),
    Case("person key", "Dim", 2),
    Case("person list", has_archive=False, code=10),
    Case(
        "hold place", "--study x --institution necker --owner Legal --reason appeal --reassess 2999-01-01", 2
    ),
    Case("hold place", "--query modality:CT --owner Legal --reason appeal --reassess 2999-01-01", 2),
    Case("hold release", "nothing --reason over", 6),
    Case("hold list", "--institution neker", 2),
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
    assert {case.command for case in cases} | UNTIL_SIGNALLED == set(registered)


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
    if "{item}" in case.arguments:
        places["item"] = retention("--archive", archive, "quarantine", "list", "--json").data["items"][0][
            "id"
        ]
    if case.command.split()[0] in {"person", "approval"} and case.has_archive:
        places["request"] = ask(archive)
    if case.command == "hold release" and case.code == 0:
        ask(archive)
        places["hold"] = hold(archive)
    BREAK[case.broken](archive)
    if "{recall}" in case.arguments:
        asked = retention("--archive", archive, "recall", "request", UID, "--reason", "board", "--json")
        places["recall"] = asked.data["requests"][0]["id"]
    where = ("--archive", str(archive)) if case.has_archive else ()
    words = case.arguments.split()
    return retention(
        *where, "--json", "--quiet", *case.command.split(), *(word.format(**places) for word in words)
    )


def _lose_two_shards(archive):
    uid = retention("--archive", archive, "study", "show", UID, "--json").data
    for shard in uid["packages"][0]["shards"]:
        (file,) = (archive / shard["volume"]).rglob(
            f"{uid['packages'][0]['package']}.{shard['number']:02d}.*"
        )
        file.unlink()


def _empty(archive):
    for path in (archive / "cold-1").rglob("*"):
        if path.is_file():
            path.unlink()


def _bring_seal(archive):
    other = archive.parent / "other"
    assert retention("init", other).code == 0
    text = retention("--archive", other, "journal", "seal", "--json").data["checkpoint"]
    archive.parent.joinpath("seal").write_text(text)


def _lose_catalog(archive):
    for path in archive.glob("catalog.db*"):
        path.unlink()


def _put_on_glacier(archive):
    with closing(open_archive(archive)) as stores:
        move_in(stores, "glacier", stores.catalog.packages_of(UID))


def _add_spare(archive):
    settings = archive / "archive.yaml"
    text = settings.read_text().replace(
        "volumes:\n", 'volumes:\n  spare: {url: "file:spare", domain: d}\n', 1
    )
    settings.write_text(text)


BREAK = {
    "a study is on glacier": _put_on_glacier,
    "": lambda _: None,
    "a hold is overdue": lambda archive: retention(
        "--archive",
        archive,
        "hold",
        "place",
        "--study",
        UID,
        "--owner",
        "Legal",
        "--reason",
        "appeal",
        "--reassess",
        "2020-01-01",
    ),
    "a volume is gone": lambda archive: shutil.rmtree(archive / "cold-5"),
    "a volume is new": _add_spare,
    "a volume is emptied": _empty,
    "two shards are gone": _lose_two_shards,
    "the catalog is gone": _lose_catalog,
    "the journal is sealed": lambda archive: retention("--archive", archive, "journal", "seal"),
    "a seal of another archive came": _bring_seal,
    "the root key is gone": lambda archive: (archive / "secrets" / "root.key").unlink(),
    "archive.yaml is gone": lambda archive: (archive / "archive.yaml").unlink(),
}


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


def ask(archive) -> str:
    """Register Dim and Dora, who has `dora.key`, and let Dim ask for two signatures; return the request's id."""
    stores = open_archive(archive, person="Dim")
    try:
        prepare_to_write(stores)
        for name, role in (("Dim", "archivist"), ("Dora", "director")):
            key = make_private_key(archive / f"{name.lower()}.key", b"a secret")
            registry.add(stores, registry.NewPerson(name, (), (role,), None, key))
        stores.open_signer = lambda: open_signer(archive / "dim.key", lambda: b"a secret")
        approvers = [Approver("director"), Approver("dim_physician")]
        return approvals.request(
            stores, approvals.Wish("thing", None, "a" * 32, "b" * 64, approvers, "It", {})
        )
    finally:
        stores.close()


def hold(archive) -> str:
    """Place a hold that is looked at again in the past, as Dim; return its id."""
    stores = open_archive(archive, person="Dim")
    try:
        prepare_to_write(stores)
        stores.open_signer = lambda: open_signer(archive / "dim.key", lambda: b"a secret")
        where = stores.catalog.institutions()[0].institution_id
        return holds.place(stores, holds.Case(where, "Legal", "x", date(2020, 1, 1), UID)).hold_id
    finally:
        stores.close()
