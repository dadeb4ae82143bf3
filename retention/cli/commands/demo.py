"""`demo`: the whole life of a few real studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.invocation import Result, command, current
from retention.cli.output import remark

if TYPE_CHECKING:
    from retention.cli.documents.demo import Demo


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


@command("demo")
def demo(
    dicom: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder of your own DICOM files (default: a few real ones)."),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Make the archive in this new folder and leave it.")
    ] = None,
) -> Result[Demo]:
    """The whole life of a few real studies, in under a minute."""
    from retention.cli.demo.story import tell

    return tell(dicom, keep, _show)


def _show(line: str) -> None:
    """Show what happens while it happens: it is the result for people, and progress beside a JSON document."""
    if current.prints_json:
        remark(current, line)
    elif not current.is_quiet:
        print(line, flush=True)
