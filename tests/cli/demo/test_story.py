"""The demonstration: everything proven is exit 0, anything else is not, and nothing is left behind."""

import pytest

from retention.cli.demo import doors, endings, story, twenty_years
from retention.cli.demo.proof import Comparison
from retention.cli.demo.years import Years
from retention.services.audit.audit import AuditReport
from tests.cli.calling import retention

STEPS = [
    "An archive is made",
    "Hospital necker puts its studies on hot",
    "Hospital cochin puts its studies on cold",
    "What is held",
    "Two disks die",
    "Bits flip on three other disks",
    "The catalog is lost",
    "Everything is given back",
    "Without this program",
    "Devices send by themselves",
    "A rehearsal begins",
    "Three years later: hot to cold",
    "A patient dies",
    "A court wants a record kept",
    "Eleven years later: cold to glacier",
    "A study is recalled from glacier",
    "A child turns 28",
    "A disposal gets its three approvals",
    "The records are destroyed, and certified",
    "Somebody pushes the clock forward",
    "Read back in time",
    "The auditor's report",
]


@pytest.fixture
def sources(tmp_path, samples):
    """One of each kind: kept, in conflict, not identified, re-encoded, no DICOM."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in ("MR_small.dcm", "MR_small_RLE.dcm", "priv_SQ.dcm", "README.txt"):
        (folder / name).write_bytes((samples / name).read_bytes())
    (folder / "other preamble.dcm").write_bytes(b"\1" * 128 + (samples / "MR_small.dcm").read_bytes()[128:])
    return folder


@pytest.fixture(autouse=True)
def doors_open_once(request, monkeypatch):
    """The doors are opened where the whole story is told: processes start slowly."""
    if "whole_life" not in request.node.name:
        monkeypatch.setattr(doors.OpenDoors, "tell", lambda _: None)


def test_the_whole_life_of_a_few_files(sources, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("RETENTION_ROOT_KEY_FILE", str(tmp_path / "the key of another archive"))
    told = retention("demo", "--dicom", sources, "--json")
    assert told.code == 0, told
    assert [step["step"] for step in told.data["steps"]] == STEPS
    assert all(step["proven"] for step in told.data["steps"])
    assert (told.data["files"], told.data["kept"], told.data["proven"]) == (4, False, True)
    assert (told.data["equal"], told.data["reencoded"]) == (3, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sources"]
    for number, title in enumerate(STEPS, 1):
        assert f"{number}. {title}" in told.err  # what happens is told while it happens


def test_what_is_not_proven_is_exit_4_and_told(sources, tmp_path, monkeypatch):
    """And a kept archive is one like any other."""
    lost = sources / "MR_small.dcm"
    monkeypatch.setattr(story, "compare", lambda *_: Comparison(3, absent=(lost,)))
    told = retention("demo", "--dicom", sources, "--keep", tmp_path / "kept")
    assert told.code == 4
    assert "NOT PROVEN" in told.out
    assert "\nProven" not in told.out
    rows = [line.split() for line in told.out.splitlines()]
    assert ["Without", "this", "program", "failed"] in [row[:4] for row in rows]
    assert str(lost) in told.out
    assert retention("--archive", tmp_path / "kept", "study", "list", "--json").code == 0


def test_without_dicom_there_is_no_story(tmp_path):
    (tmp_path / "empty").mkdir()
    told = retention("demo", "--dicom", tmp_path / "empty", "--json")
    assert told.code == 2
    assert "--dicom" in told.error["hint"]


def test_by_itself_it_starts_from_files_that_come_with_pydicom():
    from retention.dicom.samples import sample_folder

    folder = sample_folder()
    assert folder is not None
    assert len(list(folder.rglob("*.dcm"))) > 100
    assert folder.parent.name == "pydicom"


def test_a_reencoded_file_is_not_said_to_have_come_back_with_every_byte(sources):
    """Its data set did, in the file that was received first: the verdict has to tell the two apart."""
    told = retention("demo", "--dicom", sources)
    assert told.code == 0
    assert "Proven: 3 of 4 files" in told.out
    assert "The other 1 are re-encodings" in told.out
    assert "all 4 files" not in told.out
    rows = {line.rpartition("  ok  ")[0].strip(): line for line in told.out.splitlines() if "  ok  " in line}
    assert "6 of 8 equal by SHA-256, 2 as first received" in rows["Everything is given back"]
    assert "3 of 4 equal, 1 as first received" in rows["Without this program"]


@pytest.fixture
def second_act_alone(monkeypatch):
    """The first act only makes its archive."""
    for part in ("_keep", "_look", "_lose_disks", "_decay", "_lose_catalog", "_give_back", "_do_without"):
        monkeypatch.setattr(story.Story, part, lambda *_: None)


@pytest.mark.usefixtures("second_act_alone")
def test_twenty_years_are_told_in_french_too(sources):
    told = retention("--lang", "fr", "demo", "--dicom", sources)
    assert told.code == 0, told
    assert "Refusé : Anna asked for this, and cannot approve it." in told.out
    assert "approved as archives_visa: Anna (declared, visa 2026/117)" in told.out
    assert "gardé jusqu'au 2024-08-26, désormais jusqu'au 2020-06-01" in told.out
    assert "Prouvé" in told.out


@pytest.mark.usefixtures("second_act_alone")
def test_each_step_looks_at_what_came_of_it(sources, monkeypatch):
    """Services that do nothing, an archive that takes any clock, a verifier that accepts everything."""
    for service in ("hold", "recall"):
        monkeypatch.setattr(Years, service, lambda *_: None)
    monkeypatch.setattr(Years, "audit", lambda *_, **__: AuditReport())
    monkeypatch.setattr(twenty_years, "refused_clock", lambda *_: None)
    monkeypatch.setattr(endings, "is_accepted", lambda *_: True)
    told = retention("demo", "--dicom", sources, "--json")
    assert told.code == 4
    assert [each["step"] for each in told.data["steps"][1:] if not each["proven"]] == [
        "A court wants a record kept",
        "A study is recalled from glacier",
        "A disposal gets its three approvals",
        "The records are destroyed, and certified",
        "Somebody pushes the clock forward",
        "Read back in time",
        "The auditor's report",
    ]
