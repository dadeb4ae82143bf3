"""`volume list|check|replace`: the places that hold shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.output import size_text, table_lines

if TYPE_CHECKING:
    from retention.services.stores import Stores


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The places that hold shards.", no_args_is_help=True)
    group.command("list")(list_volumes)
    group.command("check")(check)
    group.command("replace")(replace)
    app.add_typer(group, name="volume")


@command("volume list")
def list_volumes() -> Result:
    """List volumes: state, space, what they hold; and what each tier survives."""
    stores = current.open()
    data = _statuses(stores)
    stores.close()
    return Result(data, _lines(data), rows="volumes")


@command("volume check")
def check() -> Result:
    """As list, and exit 4 if a volume is not ready or holds less than it should."""
    stores = current.open()
    data = _statuses(stores)
    stores.close()
    bad = [row for row in data["volumes"] if row["state"] != "ready" or row["flawed"]]
    return Result(data, _lines(data), exit_codes.FINDINGS if bad else exit_codes.DONE, rows="volumes")


@command("volume replace")
def replace(
    name: str, url: Annotated[str | None, typer.Option(help="The new place (default: the one it has).")] = None
) -> Result:
    """Put an empty place in a lost volume's stead; an audit then makes its shards again."""
    from retention.archive import replace_archive_volume

    stores = current.open(to_write=True)
    try:
        record = replace_archive_volume(stores, name, url)
        data = _statuses(stores)
    finally:
        stores.close()
    lines = [current.say("volume.replaced", name=name, url=record.spec.url), current.say("volume.audit_next")]
    return Result(data, lines, rows="volumes")


def _statuses(stores: Stores) -> dict[str, Any]:
    from retention.services.volume_care import tier_statuses, volume_statuses

    volumes = [
        {
            "name": status.spec.name,
            "url": status.spec.url,
            "site": status.spec.site,
            "domain": status.spec.domain,
            "tiers": list(status.tiers),
            "is_spare": not status.tiers,
            "carries_journal": status.carries_journal,
            "state": status.state.value,
            "shards": status.shards,
            "flawed": status.flawed,
            "free_bytes": status.free_bytes,
            "total_bytes": status.total_bytes,
        }
        for status in volume_statuses(stores)
    ]
    tiers = [
        {
            "name": status.name,
            "protection": status.protection,
            "survives_volumes": status.volume_losses,
            "survives_domains": status.domain_losses,
            "problem": status.problem,
        }
        for status in tier_statuses(stores)
    ]
    debt = sum(1 for _ in stores.catalog.debts())
    return {"volumes": volumes, "tiers": tiers, "write_debt": debt}


def _lines(data: dict[str, Any]) -> list[str]:
    headings = ["volume", "state", "tiers", "shards", "flawed", "free", "domain"]
    rows = [
        [
            row["name"],
            row["state"],
            ",".join(row["tiers"]) or "spare",
            str(row["shards"]),
            str(row["flawed"]),
            size_text(row["free_bytes"]) if row["free_bytes"] is not None else "-",
            row["domain"],
        ]
        for row in data["volumes"]
    ]
    lines = table_lines(headings, rows)
    for tier in data["tiers"]:
        lines.append(
            current.say(
                "volume.tolerance",
                tier=tier["name"],
                protection=tier["protection"],
                volumes=tier["survives_volumes"],
                domains=tier["survives_domains"] or current.say("volume.none"),
            )
        )
    if data["write_debt"]:
        lines.append(current.say("volume.debt", count=data["write_debt"]))
    return lines
