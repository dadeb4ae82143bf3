"""`volume list|check|add|replace|locks`: the places that hold shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_known
from retention.cli.paging import After, Limit, page
from retention.cli.text import size_text, table_lines

if TYPE_CHECKING:
    from retention.cli.documents.volume import VolumeLocks, Volumes
    from retention.services.stores import Stores


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The places that hold shards.")
    group.command("list")(list_volumes)
    group.command("check")(check)
    group.command("add")(add)
    group.command("replace")(replace)
    group.command("locks")(locks)
    app.add_typer(group, name="volume")


@command("volume list")
def list_volumes(limit: Limit = None, after: After = None) -> Result[Volumes]:
    """List volumes: state, space, what they hold; and what each tier survives."""
    with closing(current.open()) as stores:
        data = _statuses(stores)
    data["volumes"] = list(page(data["volumes"], lambda row: row["name"], limit, after))
    return Result(data, _lines(data), rows="volumes")


@command("volume check")
def check() -> Result[Volumes]:
    """As list, and exit 4 if a volume is not ready or holds less than it should."""
    with closing(current.open()) as stores:
        data = _statuses(stores)
    bad = [row for row in data["volumes"] if row["state"] != "ready" or row["flawed"]]
    return Result(data, _lines(data), exit_codes.FINDINGS if bad else exit_codes.DONE, rows="volumes")


@command("volume add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A volume that archive.yaml has and is new.")],
) -> Result[Volumes]:
    """Make a new place, that archive.yaml names already, a volume of this archive."""
    from retention.services.volume_care import add_volume

    with closing(current.open(to_write=True)) as stores:
        require_known("volume", name, stores.settings.volumes)
        record = add_volume(stores, name)
        data = _statuses(stores)
    lines = [current.say("volume.added", name=name, url=record.spec.url)]
    return Result(data, lines, rows="volumes")


@command("volume replace")
def replace(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The volume that was lost.")],
    url: Annotated[str | None, typer.Option(help="The new place (default: the one it has).")] = None,
) -> Result[Volumes]:
    """Put an empty place in a lost volume's stead; an audit then makes its shards again."""
    from retention.archive import replace_archive_volume

    with closing(current.open(to_write=True)) as stores:
        require_known("volume", name, stores.settings.volumes)
        record = replace_archive_volume(stores, name, url)
    with closing(current.open()) as stores:  # archive.yaml has changed
        data = _statuses(stores)
    lines = [current.say("volume.replaced", name=name, url=record.spec.url), current.say("volume.audit_next")]
    return Result(data, lines, rows="volumes")


@command("volume locks")
def locks() -> Result[VolumeLocks]:
    """Renew the locks of packages on buckets with Object Lock, and remove what no lock keeps any more."""
    from retention.services.locks import renew_locks

    with closing(current.open(to_write=True)) as stores:
        done = renew_locks(stores)
    data: VolumeLocks = {
        "locked": done.locked,
        "hidden": done.hidden,
        "problems": [{"volume": volume, "message": error.message} for volume, error in done.problems],
    }
    lines = [current.say("volume.locked", locked=done.locked, hidden=done.hidden)]
    lines += [
        current.say("volume.problem", problem=current.told(problem["message"]))
        for problem in data["problems"]
    ]
    return Result(data, lines, exit_codes.FINDINGS if done.problems else exit_codes.DONE)


def _statuses(stores: Stores) -> Volumes:
    from retention.services.volume_care import tier_statuses, volume_statuses

    return {
        "volumes": [
            {
                "name": status.spec.name,
                "url": status.spec.url,
                "site": status.spec.site,
                "domain": status.spec.domain,
                "tiers": list(status.tiers),
                "is_spare": not status.tiers,
                "carries_journal": status.carries_journal,
                "state": status.state,
                "shards": status.shards,
                "flawed": status.flawed,
                "free_bytes": status.free_bytes,
                "total_bytes": status.total_bytes,
            }
            for status in volume_statuses(stores)
        ],
        "tiers": [
            {
                "name": status.name,
                "protection": status.protection,
                "survives_volumes": status.volume_losses,
                "survives_domains": status.domain_losses,
                "problem": status.problem,
            }
            for status in tier_statuses(stores)
        ],
        "write_debt": sum(1 for _ in stores.catalog.debts()),
    }


def _lines(data: Volumes) -> Iterator[str]:
    names = ("name", "state", "tiers", "shards", "flawed", "free", "domain")
    rows = (
        [
            row["name"],
            row["state"],
            ",".join(row["tiers"]) or current.say("volume.spare"),
            str(row["shards"]),
            str(row["flawed"]),
            size_text(row["free_bytes"]) if row["free_bytes"] is not None else "-",
            row["domain"],
        ]
        for row in data["volumes"]
    )
    yield from table_lines([current.say(f"volume.{name}") for name in names], rows)
    for tier in data["tiers"]:
        yield current.say(
            "volume.tolerance",
            tier=tier["name"],
            protection=tier["protection"],
            volumes=tier["survives_volumes"],
            domains=tier["survives_domains"] or current.say("volume.none"),
        )
        if tier["problem"]:
            yield current.say("volume.problem", problem=current.told(tier["problem"]))
    if data["write_debt"]:
        yield current.say("volume.debt", count=data["write_debt"])
