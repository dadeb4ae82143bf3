"""`journal verify`: every replica of the journal, read and compared."""

from __future__ import annotations

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The tamper-evident journal.", no_args_is_help=True)
    group.callback()(_group)
    group.command("verify")(verify)
    app.add_typer(group, name="journal")


def _group() -> None:
    """The tamper-evident journal."""


@command("journal verify")
def verify() -> Result:
    """Read every replica and say what is wrong where. Consistent is not yet trusted: that needs a seal from outside."""
    stores = current.open()
    try:
        report = stores.journal.verify()
    finally:
        stores.close()
    data = {
        "entries": report.entries,
        "tree_size": report.entries,
        "root": report.root.hex(),
        "valid": not report.problems,
        "trusted": False,
        "timestamps": 0,
        "first_bad_entry": report.first_bad_seq,
        "problems": [
            {"kind": p.kind.value, "volume": p.replica, "file": p.key, "entry": p.seq, "detail": p.detail}
            for p in report.problems
        ],
    }
    key = "journal.valid" if not report.problems else "journal.invalid"
    lines = [current.say(key, entries=report.entries, root=report.root.hex(), problems=len(report.problems))]
    lines += [f"  {p.replica or '-'}: {p.key}: {p.detail}" for p in report.problems]
    return Result(data, lines, exit_codes.FINDINGS if report.problems else exit_codes.DONE)
