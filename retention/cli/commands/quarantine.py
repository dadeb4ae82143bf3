"""`quarantine list|export`: what could not be identified, with its bytes and the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retention.cli.invocation import Result, command, current
from retention.cli.output import size_text, table_lines
from retention.model.clock import format_instant


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What could not be identified.", no_args_is_help=True)
    group.command("list")(list_items)
    group.command("export")(export)
    app.add_typer(group, name="quarantine")


@command("quarantine list")
def list_items(institution: Annotated[str | None, typer.Option(help="Only this institution's.")] = None) -> Result:
    """List what lies in quarantine, and why."""
    stores = current.open()
    items = [
        {
            "id": item.item_id,
            "institution": item.institution,
            "reason": item.reason,
            "detail": item.detail,
            "source": item.source,
            "bytes": item.size_bytes,
            "received": format_instant(item.received_at),
        }
        for item in stores.catalog.quarantined(institution)
    ]
    stores.close()
    rows = [[str(i["id"]), str(i["reason"]), size_text(int(str(i["bytes"]))), str(i["source"])] for i in items]
    lines = table_lines(["id", "reason", "size", "source"], rows) if rows else [current.say("quarantine.none")]
    return Result({"items": items}, lines, rows="items")


@command("quarantine export")
def export(
    item: Annotated[str, typer.Argument(metavar="ID")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the file.")],
) -> Result:
    """Give back the bytes of a quarantined item, verified."""
    from retention.services.retrieve import export_quarantined

    stores = current.open()
    try:
        file = export_quarantined(stores, item, out)
    finally:
        stores.close()
    data = {"items": [item], "file": str(file), "bytes": file.stat().st_size}
    return Result(data, [current.say("quarantine.exported", file=file)])
