"""The catalog is an index: it may be lost, and is made again from the volumes alone."""

from tests.e2e.program import Program, empty


def lose_catalog(program: Program) -> None:
    for path in program.archive.glob("catalog.db*"):
        path.unlink()


def test_a_rebuilt_catalog_says_what_the_old_one_said(program, built):
    lose_catalog(program)
    missing = program("study", "list", code=10).document["error"]
    assert missing["code"] == "ARC-002"
    assert "retention catalog rebuild" in missing["hint"]
    assert not list(program.archive.glob("catalog.db*"))  # nothing quietly makes an empty one
    assert program("catalog", "rebuild").data["studies"] == len(built.studies)
    assert program.studies() == built.studies
    assert program("audit", "run", "--all").data["findings"] == []
    again = program("ingest", built.sources, "--institution", "necker", "--tier", "cold").data
    assert (again["stored"], again["quarantined"]) == (0, 0)


def test_it_needs_no_more_than_the_volumes_that_are_left(program, built):
    lose_catalog(program)
    for volume in ("hot-a", "cold-2"):
        empty(program.archive / volume)
    program("catalog", "rebuild")
    assert program.studies() == built.studies
    assert program("quarantine", "list").data["items"] == built.items
    assert program("audit", "run", "--all", code=4).data["lost"] == 0
    assert program("audit", "run", "--all").data["findings"] == []
