"""An archive whose catalog is on a PostgreSQL server: the life of studies, driven as ever, and rebuilt both ways."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from retention.catalog.catalog import Catalog
from retention.catalog.declaring import METADATA
from tests import postgresql
from tests.e2e.program import environment
from tests.e2e.test_disposal import (
    AFTER,
    GONE,
    GRACE,
    HELD,
    YOUNG,
    Office,
    approve,
    furnished,
    office,
    propose,
)
from tests.services.instances import instance

__all__ = ["furnished", "office"]

FILE = "sqlite:///catalog.db"
BEGUN = "2026-06-02"


@pytest.fixture
def served(office: Office, request: pytest.FixtureRequest) -> Office:
    """An archive as before, its catalog made anew on a server."""
    name = f"e_{abs(hash((request.node.nodeid, str(office.archive)))):x}"
    turn(office, FILE, postgresql.made(name), BEGUN)
    return office


def turn(office: Office, before: str, after: str, at: str) -> None:
    """Give the archive another catalog: an edit, and a rebuild."""
    settings = office.archive / "archive.yaml"
    text = settings.read_text()
    assert before in text
    settings.write_text(text.replace(before, after))
    office.at(at, "catalog", "rebuild")


def tables(url: str, root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a catalog knows."""
    with Catalog.open(url, root=root) as catalog, catalog._database.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in METADATA.sorted_tables
        }


def url_of(office: Office) -> str:
    line = next(
        row for row in (office.archive / "archive.yaml").read_text().splitlines() if "catalog:" in row
    )
    return line.partition(": ")[2]


def test_records_end_on_a_server_as_in_a_file_and_each_is_rebuilt_from_the_other(
    served: Office, tmp_path: Path
):
    hold = ["--study", HELD, "--institution", "necker", "--owner", "counsel", "--reason", "an appeal"]
    proposal = propose(served)
    approve(served, tmp_path)
    served.at(GRACE, "hold", "place", *hold, "--reassess", "2028-01-01")
    served.at(AFTER, "disposal", "execute", proposal, code=3)
    assert {study["study_uid"] for study in served.at(AFTER, "study", "list").data["studies"]} == {
        HELD,
        YOUNG,
    }
    assert served.at(AFTER, "catalog", "check").data["problems"] == []
    assert served.at(AFTER, "audit", "run", "--all").data["findings"] == []
    server = url_of(served)
    served.at(AFTER, "catalog", "rebuild")
    on_server = tables(server, served.archive)
    turn(served, server, FILE, AFTER)
    in_file = tables(FILE, served.archive)
    assert on_server.keys() == in_file.keys()
    for name, rows in in_file.items():
        assert on_server[name] == rows, name
    assert all(in_file[name] for name in ("hold", "tombstone", "proposal", "approval_request", "package"))


def test_studies_come_move_and_are_recalled_from_several_programs(served: Office, tmp_path: Path):
    settings = served.archive / "archive.yaml"
    settings.write_text(settings.read_text().replace("    from: {bytes: 1MiB}\n", ""))
    served.at(BEGUN, "policy", "apply", served.archive / "policies" / "standard.yaml")
    served.at(BEGUN, "institution", "set", "necker", "--plan", "standard")
    together(served, tmp_path)
    assert served.at("2031-01-01", "lifecycle", "run").data["moved"] == 5
    served.at("2031-01-03", "recall", "request", GONE, "--reason", "board")
    (ready,) = served.at("2031-01-04", "recall", "list").data["requests"]
    assert ready["state"] == "ready"
    before = served.at("2031-01-04", "study", "list").data
    assert sorted(study["tier"] for study in before["studies"]) == ["cold"] * 3 + ["glacier"] * 2
    served.at("2031-01-04", "catalog", "rebuild")
    assert served.at("2031-01-04", "study", "list").data == before
    assert served.at("2031-01-04", "catalog", "check").data["problems"] == []


def together(office: Office, folder: Path) -> None:
    """Ingest two studies from two programs at once."""
    running = []
    for number in (4, 5):
        file = folder / f"{number}.dcm"
        file.write_bytes(instance(1, study=f"1.2.840.77.{number}", patient=f"IPP-{number}", on="20260101"))
        command = [sys.executable, "-m", "retention", "--archive", office.archive, "--as-of", BEGUN]
        command += ["--quiet", "ingest", file, "--institution", "necker"]
        running.append(subprocess.Popen(list(map(str, command)), env=environment()))
    assert [process.wait() for process in running] == [0, 0]
