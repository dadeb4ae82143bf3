"""`journal verify`: every replica of the journal, read and compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current

if TYPE_CHECKING:
    from retention.cli.documents.journal import JournalVerify
    from retention.journal.check import JournalProblem
    from retention.services.volumes import VolumeSet


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The tamper-evident journal.")
    group.callback()(_group)
    group.command("verify")(verify)
    app.add_typer(group, name="journal")


def _group() -> None:
    """The tamper-evident journal."""


@command("journal verify")
def verify() -> Result[JournalVerify]:
    """Read every replica and say what is wrong where.

    Consistent is not yet trusted: that needs something from outside, to compare with.
    """
    with closing(current.open()) as stores:
        report = stores.journal.verify()
        absent = _absent_replicas(stores.volumes)
    problems = [*report.problems, *absent]
    root = report.root.hex()
    data: JournalVerify = {
        "entries": report.entries,
        "tree_size": report.entries,
        "root": root,
        "valid": not report.problems,
        "trusted": False,
        "timestamps": 0,
        "first_bad_entry": report.first_bad_seq,
        "problems": [
            {"kind": p.kind, "volume": p.replica, "file": p.key, "entry": p.seq, "detail": p.detail}
            for p in problems
        ],
    }
    if not problems:
        return Result(data, [current.say("journal.valid", entries=report.entries, root=root)])
    lines = [current.say("journal.invalid", entries=report.entries, root=root, problems=len(problems))]
    lines += [
        current.say("journal.problem", volume=p.replica or "-", file=p.key, detail=p.detail) for p in problems
    ]
    return Result(data, lines, exit_codes.FINDINGS)


def _absent_replicas(volumes: VolumeSet) -> Iterator[JournalProblem]:
    """Yield the replicas that could not even be read: their volumes are not there."""
    from retention.journal.check import JournalProblem
    from retention.model.findings import FindingKind
    from retention.storage.state import VolumeState

    for name in volumes.replica_names():
        state = volumes[name].probe()
        if state is VolumeState.EMPTIED:
            yield JournalProblem(FindingKind.MISSING, name, "journal", None, state.value)
        elif not state.is_readable:
            yield JournalProblem(FindingKind.UNREADABLE, name, "journal", None, state.value)
