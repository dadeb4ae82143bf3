"""A volume is lost for good, and another place takes its stead."""

import shutil


def test_another_place_takes_a_lost_volumes_stead(program, built, wanted, tmp_path):
    shutil.rmtree(program.archive / "cold-3")
    states = {row["name"]: row["state"] for row in program("volume", "check", code=4).data["volumes"]}
    assert states["cold-3"] == "missing"
    place = tmp_path / "a new disk" / "cold"
    place.mkdir(parents=True)
    replaced = program("volume", "replace", "cold-3", "--url", f"file:{place}").data
    row = next(row for row in replaced["volumes"] if row["name"] == "cold-3")
    assert (row["state"], row["url"]) == ("ready", f"file:{place}")
    found = program("audit", "run", "--all", code=4).data
    assert found["repaired"] == found["damaged"] > 0
    assert program("audit", "run", "--all").data["findings"] == []
    assert len(list(place.rglob("*.shard"))) == found["checked"]
    for volume in ("cold-1", "cold-6"):
        shutil.rmtree(program.archive / volume)  # now the new one has to carry its part
    assert program.export(built.studies, tmp_path / "out") == wanted


def test_archive_yaml_keeps_its_comments_and_names_the_new_place(program, tmp_path):
    settings = program.archive / "archive.yaml"
    comments = [line for line in settings.read_text().splitlines() if line.lstrip().startswith("#")]
    place = tmp_path / "elsewhere"
    program("volume", "replace", "cold-6", "--url", f"file:{place}")
    text = settings.read_text()
    assert [line for line in text.splitlines() if line.lstrip().startswith("#")] == comments
    assert str(place) in text


def test_a_place_that_is_taken_is_refused(program):
    other = program("volume", "replace", "cold-6", "--url", f"file:{program.archive}/cold-5", code=2)
    assert "cold-5" in other.document["error"]["message"]
    assert program("volume", "check").data["volumes"][-1]["state"] == "ready"


def test_a_missing_volume_does_not_stop_intake(program, built, tmp_path):
    """With five of six the write is accepted, counted as write debt, and completed when the volume is back."""
    shutil.move(program.archive / "cold-4", tmp_path / "unplugged")
    single = tmp_path / "new"
    single.mkdir()
    content = (
        (built.sources / "CT_small.dcm")
        .read_bytes()
        .replace(b"20040119072730.12322", b"20040119072730.12399")
    )
    (single / "other.dcm").write_bytes(content)
    taken = program("ingest", single, "--institution", "necker", "--tier", "cold").data
    assert (taken["stored"], taken["write_debt"]) == (1, 1)
    assert program("volume", "list").data["write_debt"] == 1
    shutil.move(tmp_path / "unplugged", program.archive / "cold-4")
    assert program("audit", "run", "--all", code=(0, 4)).data["settled"] == 1
    assert program("volume", "list").data["write_debt"] == 0
    assert program("audit", "run", "--all").data["findings"] == []
