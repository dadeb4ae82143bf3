"""`schema`: the JSON Schema of what commands print, and of archive.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retention.cli.invocation import Result, command
from retention.cli.names import require_known

if TYPE_CHECKING:
    from retention.cli.documents.schema import NamedSchema, Schemas


def register(app: typer.Typer) -> None:
    app.command("schema")(schema)


@command("schema")
def schema(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND…", help="`study list` …, or `config` for archive.yaml."),
    ] = None,
) -> Result[Schemas]:
    """Print the JSON Schema of what commands print.

    Without COMMAND: of each. `config` is the schema of archive.yaml, for editors.
    """
    from retention.cli import schemas

    name = " ".join(names or ())
    known = schemas.names()
    if name:
        require_known("command", name, known)
    found: list[NamedSchema] = [
        {"command": each, "schema": schemas.schema_of(each)} for each in ([name] if name else known)
    ]
    data: Schemas = {"schemas": found}
    shown: Any = found[0]["schema"] if name else {each["command"]: each["schema"] for each in found}
    return Result(data, _lines(shown), rows="schemas")


def _lines(shown: object) -> Iterator[str]:
    yield json.dumps(shown, indent=2, ensure_ascii=False)
