"""The end of a record, through the program: proposed, approved, waited for, destroyed, certified."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from retention.archive import open_archive
from retention.cli import main, schemas
from retention.dicom.pixels.decoding import Decoding
from retention.journal import merkle
from retention.journal.checkpoint import Checkpoint, Note, VerifierKey
from retention.reports.standalone.stamps import check_pdf
from retention.services.staging.receiver import Receiver
from retention.web.app import make_app
from tests.e2e.program import Program, digests, files_below
from tests.services.instances import instance
from tests.web.asking import Asking

POLICY = """\
apiVersion: retention/v1
kind: RetentionPolicy
name: short
version: 1
effective_on: 2000-01-01
review_by: 2090-01-01
title: {en: "Five years from the study"}
legal_basis: {text: "a test", checked_on: 2026-01-01, status: unverified}
rules:
  - {id: five-years, match: {any: true}, trigger: study_date, keep: P5Y}
final_action: destroy
disposal:
  approvals: [dim_physician, director, {external: archives_visa}]
  grace: P30D
  limits: {studies: 5, percent: 100, per: P30D}
examples:
  - name: after five years it may go
    at: 2040-01-01
    study: {study_date: 2020-01-01, modality: CT}
    expect: {state: DETERMINED, keep_until: 2025-01-01}
"""
GONE, HELD, YOUNG = "1.2.840.77.1", "1.2.840.77.2", "1.2.840.77.3"
PROPOSED, GRACE, AFTER = "2027-01-01", "2027-01-15", "2027-03-01"


class Office(Program):
    """The program, with a clock and with people who act."""

    def at(self, when: str, *arguments: object, by: str = "Anna", code: int = 0):
        done = self("--as-of", when, "--as", by, *map(str, arguments), code=code)
        if arguments[0] == "disposal":
            assert main.PROGRAM  # the commands are registered by their program
            schema = schemas.schema_of(" ".join(map(str, arguments[:2])))
            assert not list(Draft202012Validator(schema).iter_errors(done.document))
        return done


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rehearsal archive with three studies, people, and a policy: made once, copied for each test."""
    tmp_path = tmp_path_factory.mktemp("office")
    sent = tmp_path / "in"
    sent.mkdir()
    for number, (uid, day) in enumerate([(GONE, "20200101"), (HELD, "20200202"), (YOUNG, "20250303")], 1):
        for part in (1, 2):
            data = instance(10 * number + part, study=uid, patient=f"IPP-{number}", on=day)
            (sent / f"{number}-{part}.dcm").write_bytes(data)
    office = Office(tmp_path / "A")
    assert office.run("--as-of", "2026-06-01", "init", "--rehearsal", office.archive).code == 0
    policy = tmp_path / "short.yaml"
    policy.write_text(POLICY)
    office.at("2026-06-01", "policy", "apply", policy)
    office.at("2026-06-01", "institution", "add", "necker", "--policy", "short")
    office.at("2026-06-01", "ingest", sent, "--institution", "necker")
    people = {"Anna": ["archivist", "administrator"], "Denis": ["dim_physician"], "Odile": ["director"]}
    for name, roles in people.items():
        given = [word for role in roles for word in ("--role", role)]
        place = [] if name == "Anna" else ["--institution", "necker"]  # Anna looks after the whole archive
        office.at("2026-06-01", "person", "add", name, *place, *given)
    return tmp_path


@pytest.fixture
def office(furnished: Path, tmp_path: Path) -> Office:
    shutil.copytree(furnished, tmp_path, dirs_exist_ok=True)
    return Office(tmp_path / "A")


def propose(office: Office) -> str:
    return str(
        office.at(PROPOSED, "disposal", "propose", "--institution", "necker").data["proposals"][0]["id"]
    )


def approve(office: Office, tmp_path: Path) -> None:
    request = office.at(PROPOSED, "approval", "list").data["approvals"][0]["id"]
    office.at(PROPOSED, "approval", "approve", request, by="Odile", code=12)  # not in her turn
    office.at(PROPOSED, "approval", "approve", request, by="Denis")
    office.at(PROPOSED, "approval", "approve", request, by="Denis", code=12)  # not twice
    office.at(PROPOSED, "approval", "approve", request, by="Odile")
    visa = tmp_path / "visa.pdf"
    visa.write_bytes(b"the archives agree")
    outside = ["--external", "archives_visa", "--number", "V-7", "--date", PROPOSED, "--document", visa]
    office.at(PROPOSED, "approval", "approve", request, *outside)


def test_a_record_leaves_only_by_the_whole_way_and_nothing_of_it_is_left(office: Office, tmp_path: Path):
    proposal = propose(office)
    shown = office.at(PROPOSED, "disposal", "show", proposal).data
    assert {row["study_uid"] for row in shown["studies"] if row["outcome"] == "DESTROY"} == {GONE, HELD}
    office.at(PROPOSED, "disposal", "execute", proposal, code=12)
    approve(office, tmp_path)
    office.at(GRACE, "disposal", "execute", proposal, code=12)
    hold = ["--study", HELD, "--institution", "necker", "--owner", "counsel", "--reason", "an appeal"]
    office.at(GRACE, "hold", "place", *hold, "--reassess", "2028-01-01")
    table = tmp_path / "bordereau.csv"
    office.at(GRACE, "disposal", "bordereau", proposal, "--out", table)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row["studies"], row["earliest_date"], row["latest_date"]) for row in rows] == [
        ("2", "20200101", "20200202")
    ]
    early = office.at(GRACE, "disposal", "request", YOUNG, "--reason", "a letter", code=12).data
    assert (early["article"], early["legal_bases"]) == ("GDPR Art. 17(3)(b) and (c)", ["a test"])
    before = {study["study_uid"] for study in office.studies()}
    assert before == {GONE, HELD, YOUNG}

    done = office.at(AFTER, "disposal", "execute", proposal, code=3).data
    assert done["destroyed"] == 1
    assert ["HELD" in row["reason"] for row in done["left_out"]] == [True]
    assert done["remains"] == []
    with (
        closing(open_archive(office.archive)) as stores,
        Receiver(stores) as receiver,
        Decoding(1) as decoding,
    ):
        web = Asking(make_app(stores, receiver, decoding))
        asked = [web.get(f"/necker/studies/{uid}").status_code for uid in (GONE, HELD, "1.2.3")]
        assert asked == [410, 200, 404]

    assert {study["study_uid"] for study in office.studies()} == {HELD, YOUNG}
    office("study", "show", GONE, code=6)
    assert all(b"1.2.840.77.1\x00" not in path.read_bytes() for path in files_below(office.archive / "hot-a"))
    office("audit", "run", "--all")
    listed = office.studies()
    for path in office.archive.glob("catalog.db*"):
        path.unlink()
    office("--as-of", AFTER, "catalog", "rebuild")
    assert office.studies() == listed
    again = office.at(AFTER, "disposal", "list").data["proposals"]
    assert [(row["state"], row["certificate"]) for row in again] == [("executed", done["certificates"][0])]
    out = tmp_path / "out"
    office.export(office.studies(), out)
    assert digests(out) == digests(tmp_path / "in") - {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "in").glob("1-*.dcm")
    }


def test_the_certificate_says_all_and_proves_itself(office: Office, tmp_path: Path):
    proposal = propose(office)
    office.at(GRACE, "disposal", "bordereau", proposal, "--out", tmp_path / "bordereau.pdf")
    check_pdf((tmp_path / "bordereau.pdf").read_bytes())
    approve(office, tmp_path)
    office.at(AFTER, "disposal", "certificate", proposal, "--out", tmp_path / "early.json", code=6)
    office.at(AFTER, "attest", "destruction", proposal, "--out", tmp_path / "early.json", code=6)
    office.at(AFTER, "disposal", "execute", proposal)
    file = tmp_path / "certificate.json"
    office.at(AFTER, "disposal", "certificate", proposal, "--out", file)
    written = json.loads(file.read_text())
    certificate, proof = written["certificate"], written["proof"]
    assert certificate["totals"]["studies"] == 2
    assert certificate["rehearsal"] is True
    assert [one["as"] for one in certificate["approvals"]] == ["dim_physician", "director", "archives_visa"]
    assert certificate["approvals"][2]["visa"]["number"] == "V-7"
    assert certificate["verification"] | {"keys_tried": 0, "shards_looked_for": 0} == {
        "keys_tried": 0, "keys_that_open": 0, "shards_looked_for": 0, "shards_found": 0,
    }  # fmt: skip
    assert {study["rule"] for study in certificate["studies"]} == {"short/five-years"}
    assert all(study["decision"]["state"] == "DETERMINED" for study in certificate["studies"])
    text = json.dumps(written)
    assert not any(secret in text for secret in (GONE, HELD, "IPP-1"))

    import base64

    note = Note.parse(proof["checkpoint"])
    checkpoint = Checkpoint.parse(note.text)
    line = proof["line"].encode()
    hashes = [base64.b64decode(one) for one in proof["inclusion"]]
    leaf = merkle.leaf_hash(line)
    assert merkle.verify_inclusion(leaf, proof["entry"], proof["tree_size"], hashes, checkpoint.root)
    digest = json.loads(line)["data"]["digest"]
    canonical = json.dumps(certificate, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digest == hashlib.sha256(canonical.encode()).hexdigest()
    for entry in office("report", "compliance", "--year", "2027", "--out", tmp_path / "B").data["files"]:
        assert entry
    report = json.loads((tmp_path / "B" / "report.json").read_text())
    balance = report["holdings"]["balance"]
    counted = [balance[part]["instances"] for part in ("opening", "arrived", "gone", "closing")]
    assert counted == [6, 0, 4, 2]
    assert "out_of_balance" not in {one["what"] for one in report["exceptions"]}
    assert [policy["name"] for policy in report["policies"]] == ["short"]
    key = report["journal"]["signing_key"]
    assert note.signers([VerifierKey.parse(key)])
    office.at(AFTER, "disposal", "certificate", proposal, "--out", tmp_path / "certificate.pdf")
    check_pdf((tmp_path / "certificate.pdf").read_bytes())
    trust = tmp_path / "trust"
    trust.write_text(f"{key}\n")
    for name, subject in (("a.json", proposal), ("a.pdf", GONE)):
        office.at(AFTER, "attest", "destruction", subject, "--out", tmp_path / name)
        assert office("report", "verify", tmp_path / name, "--trust", trust).data["kind"] == "destruction"


def test_limits_refuse_the_whole(office: Office, tmp_path: Path):
    strict = POLICY.replace("version: 1", "version: 2").replace("studies: 5", "studies: 1")
    (tmp_path / "strict.yaml").write_text(strict)
    office.at("2026-06-02", "policy", "apply", tmp_path / "strict.yaml")
    proposal = propose(office)
    approve(office, tmp_path)
    done = office.at(AFTER, "disposal", "execute", proposal, code=12)
    assert "allows 1 more" in done.document["error"]["message"]
    assert len(office.studies()) == 3


def test_a_production_archive_takes_no_declared_approval_and_no_other_clock(tmp_path: Path):
    office = Office(tmp_path / "A")
    assert office.run("init", office.archive).code == 0
    office("institution", "add", "necker")
    office("--as-of", AFTER, "disposal", "propose", "--institution", "necker", code=12)
