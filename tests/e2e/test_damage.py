"""Volumes die and bits flip: found by the audit, repaired while anything is enough, never served wrong."""

from tests.e2e.program import digests, empty, files_below, flip_a_bit


def test_two_volumes_die_then_bits_flip_on_two_others(program, built, wanted, tmp_path):
    """Journal and keyring lie on both that die: replicas are mended as shards are."""
    for volume in ("cold-1", "cold-2"):
        empty(program.archive / volume)
    check_repaired(program)
    for volume in ("cold-4", "cold-5"):
        for number, path in enumerate(files_below(program.archive / volume)):
            flip_a_bit(path, (number % 7) / 7)
    check_repaired(program)
    assert program.export(built.studies, tmp_path / "out") == wanted
    assert program("journal", "verify").data["valid"]
    assert program("catalog", "check").data["problems"] == []


def test_any_other_two_may_die(program):
    for volume in ("cold-3", "cold-6"):
        empty(program.archive / volume)
    check_repaired(program)


def check_repaired(program):
    """The first audit finds and repairs everything, the second finds nothing."""
    found = program("audit", "run", "--all", code=4).data
    assert found["repaired"] == found["damaged"] > 0
    assert found["lost"] == 0
    assert [finding for finding in found["findings"] if not finding["repaired"]] == []
    again = program("audit", "run", "--all").data
    assert (again["findings"], again["damaged"]) == ([], 0)
    assert again["checked"] == found["checked"]


def test_what_is_read_meanwhile_is_right(program, built, wanted, tmp_path):
    """Two of six volumes gone is within the redundancy: nobody has to wait for the audit."""
    for volume in ("cold-2", "cold-5"):
        empty(program.archive / volume)
    largest = max(built.studies, key=lambda study: study["instances"])
    back = program.export([largest], tmp_path / "out")
    assert len(back) == largest["instances"]
    assert back <= wanted


def test_beyond_the_redundancy_it_is_told_and_nothing_wrong_is_served(program, built, sources, tmp_path):
    study, *others = built.studies
    shown = program("study", "show", study["study_uid"]).data
    package = shown["packages"][0]
    for shard in package["shards"][:3]:
        (path,) = (program.archive / shard["volume"]).rglob(f"{package['package']}.{shard['number']:02d}.*")
        path.unlink()
    found = program("audit", "run", "--all", "--no-repair", code=4).data
    assert (found["damaged"], found["repaired"], found["lost"]) == (3, 0, 1)
    assert program("study", "show", study["study_uid"]).data["health"] == "lost"
    refused = program("study", "export", study["study_uid"], "--out", tmp_path / "out", code=1)
    error = refused.document["error"]
    assert error["code"] == "FIX-003"
    assert package["package"] in error["message"]
    assert error["hint"]
    program.export(others[:1], tmp_path / "out")
    assert digests(tmp_path / "out") <= digests(sources)


def test_a_look_changes_nothing(program):
    empty(program.archive / "cold-4")
    looked = program("audit", "run", "--all", "--no-repair", code=4).data
    assert looked["repaired"] == 0 < looked["damaged"]
    assert files_below(program.archive / "cold-4") == []
    states = {row["name"]: row["state"] for row in program("volume", "check", code=4).data["volumes"]}
    assert states["cold-4"] == "emptied"
