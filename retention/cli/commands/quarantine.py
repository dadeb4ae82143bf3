"""`quarantine list|export`: what could not be identified, with its bytes and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution
from retention.cli.paging import After, Limit, page
from retention.cli.text import size_text, table_lines
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from retention.cli.documents.quarantine import QuarantineExport, QuarantineList, QuarantineRow


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What could not be identified.")
    group.command("list")(list_items)
    group.command("export")(export)
    app.add_typer(group, name="quarantine")


@command("quarantine list")
def list_items(
    institution: Annotated[str | None, typer.Option(metavar="NAME", help="Only this institution's.")] = None,
    limit: Limit = None,
    after: After = None,
) -> Result[QuarantineList]:
    """List what lies in quarantine, and why."""
    with closing(current.open()) as stores:
        require_institution(stores, institution)
        items: list[QuarantineRow] = [
            {
                "id": item.item_id,
                "institution": item.institution,
                "reason": item.reason,
                "detail": item.detail,
                "source": item.source,
                "bytes": item.size_bytes,
                "received": format_instant(item.received_at),
            }
            for item in page(stores.catalog.quarantined(institution), lambda item: item.item_id, limit, after)
        ]
    data: QuarantineList = {"items": items}
    return Result(data, _lines(items), rows="items")


def _lines(items: Iterable[QuarantineRow]) -> Iterator[str]:
    if not items:
        yield current.say("quarantine.none")
        return
    headings = [current.say(f"quarantine.{name}") for name in ("id", "reason", "size", "source")]
    yield from table_lines(
        headings, ([i["id"], i["reason"], size_text(i["bytes"]), i["source"]] for i in items)
    )


@command("quarantine export")
def export(
    item: Annotated[str, typer.Argument(metavar="ID", help="As `quarantine list` shows it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the file.")],
) -> Result[QuarantineExport]:
    """Give back the bytes of a quarantined item, verified."""
    from retention.services.retrieve import export_quarantined

    with closing(current.open()) as stores:
        file = export_quarantined(stores, item, out)
    size_bytes = file.stat().st_size
    data: QuarantineExport = {
        "items": [{"id": item, "file": str(file), "bytes": size_bytes}],
        "directory": str(out),
    }
    return Result(data, [current.say("quarantine.exported", file=file, size=size_text(size_bytes))])
