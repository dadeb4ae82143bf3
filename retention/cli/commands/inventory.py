"""`inventory export`: what lies where, as Parquet, laid out as S3 Inventory does."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution

if TYPE_CHECKING:
    from retention.cli.documents.inventory import InventoryExport


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What lies where, for other tools.")
    group.callback()(_group)
    group.command("export")(export)
    app.add_typer(group, name="inventory")


def _group() -> None:
    """What lies where, for other tools."""


@command("inventory export")
def export(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to; several inventories may share it.")],
    institution: Annotated[str | None, typer.Option(metavar="NAME", help="Only this institution's.")] = None,
) -> Result[InventoryExport]:
    """Write every object on every volume as Parquet, laid out as S3 Inventory does."""
    from retention.services.inventory import export_inventory

    with closing(current.open(to_write=True)) as stores:
        require_institution(stores, institution)
        made = export_inventory(stores, out, institution)
    data: InventoryExport = {"rows": made.rows, "files": list(made.files)}
    lines = [current.say("inventory.written", rows=made.rows, files=len(made.files), folder=out)]
    return Result(data, lines)
