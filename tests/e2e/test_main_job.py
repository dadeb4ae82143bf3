"""What a new user does on the first day: make an archive, put files in, look, take them out again."""

import stat

from tests.e2e.conftest import IDENTIFIED, UNIDENTIFIED
from tests.e2e.program import Program, sha256


def test_init_makes_an_archive_and_shows_its_recovery_key_once(built):
    assert built.init.code == 0
    assert "10 volumes" in built.init.out
    assert "retention keys status --recovery-stored" in built.init.err
    key = built.program.archive / "secrets" / "root.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert list(built.program.archive.rglob("*root.key*")) == [key]


def test_init_takes_no_folder_that_holds_something(built):
    again = Program.run("--json", "init", built.program.archive)
    assert again.code == 2
    assert again.document["error"]["code"] == "INP-001"


def test_init_makes_a_name_of_any_folder(tmp_path):
    made = Program.run("--json", "init", tmp_path / "« Archives » d'Île")
    assert made.data["name"] == "Archives-d-le"


def test_every_file_is_accounted_for(built):
    data = built.ingest.data
    counts = {
        name: data[name]
        for name in ("stored", "conflicts", "duplicates", "reencoded", "quarantined", "skipped")
    }
    conflicts = 2  # MR_small_RLE and MR_truncated are MR_small's instance with other content
    assert counts == {
        "stored": len(IDENTIFIED) - conflicts,
        "conflicts": conflicts,
        "duplicates": 1,
        "reencoded": 1,
        "quarantined": len(UNIDENTIFIED),
        "skipped": 1,
    }
    assert {entry["reason"] for entry in data["refused"]} == {
        "conflict: kept beside the first of its UID",
        "quarantined: no-identity",
    }


def test_what_is_held_is_listed(built):
    studies = built.studies
    assert sum(study["instances"] for study in studies) == len(IDENTIFIED)
    assert {study["institution"] for study in studies} == {"necker"}
    assert {(s["tier"], s["health"], s["state"], s["keep_until"]) for s in studies} == {
        ("cold", "sound", "PERMANENT", None)
    }


def test_every_file_comes_back_equal(built, wanted, tmp_path):
    assert built.program.export(built.studies, tmp_path / "out") == wanted


def test_conflicts_lie_beside_the_first_of_their_name(built, tmp_path):
    study = next(study for study in built.studies if study["instances"] > 1)
    done = built.program("study", "export", study["study_uid"], "--out", tmp_path / "out").data
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert done["instances"] == len(names) == 3
    uid = names[0].removesuffix(".2.dcm").removesuffix(".3.dcm").removesuffix(".dcm")
    assert set(names) == {f"{uid}.dcm", f"{uid}.2.dcm", f"{uid}.3.dcm"}
    assert sha256(tmp_path / "out" / f"{uid}.dcm") == sha256(built.sources / "MR_small.dcm")


def test_running_it_again_stores_nothing(program, built):
    again = program("ingest", built.sources, "--institution", "necker", "--tier", "cold").data
    assert (again["stored"], again["conflicts"], again["quarantined"], again["bytes_stored"]) == (0, 0, 0, 0)


def test_the_study_commands_stream(built):
    streamed = Program.run("--archive", built.program.archive, "study", "list", "--jsonl")
    assert len(streamed.out.splitlines()) == len(built.studies)


def test_doctor_finds_nothing_to_mend(built):
    done = built.program("doctor")
    statuses = {check["name"]: check["status"] for check in done.data["checks"]}
    assert "failed" not in statuses.values()
    assert statuses["recovery key"] == "warning"
