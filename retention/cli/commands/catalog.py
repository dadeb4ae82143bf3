"""`catalog check|rebuild|migrate`: the index, compared with the truths and made again from them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current

if TYPE_CHECKING:
    from retention.cli.documents.catalog import CatalogCheck, CatalogMigrate, CatalogRebuild


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The catalog: an index that can be made again.")
    group.command("check")(check)
    group.command("rebuild")(rebuild)
    group.command("migrate")(migrate)
    app.add_typer(group, name="catalog")


@command("catalog check")
def check() -> Result[CatalogCheck]:
    """Compare the catalog with itself, the journal and what lies on the volumes."""
    from retention.services.catalog_check import check_catalog

    with closing(current.open(to_write=True)) as stores:
        report = check_catalog(stores)
    data: CatalogCheck = {
        "studies": report.studies,
        "packages": report.packages,
        "problems": [{"kind": problem.kind, "detail": problem.detail} for problem in report.problems],
    }
    lines = [current.say("catalog.checked", studies=report.studies, packages=report.packages)]
    lines += [
        current.say("catalog.problem", kind=each.kind, detail=current.told(each.detail))
        for each in report.problems
    ]
    return Result(data, lines, exit_codes.FINDINGS if report.problems else exit_codes.DONE)


@command("catalog rebuild")
def rebuild() -> Result[CatalogRebuild]:
    """Make the catalog again from the online volumes alone."""
    from retention.archive import rebuild_archive_catalog

    report = rebuild_archive_catalog(current.root(), current.progress(), as_of=current.instant())
    data: CatalogRebuild = {
        "studies": report.studies,
        "packages": report.packages,
        "entries": report.entries,
        "problems": [],
    }
    line = current.say(
        "catalog.rebuilt", studies=report.studies, packages=report.packages, entries=report.entries
    )
    return Result(data, [line])


@command("catalog migrate")
def migrate() -> Result[CatalogMigrate]:
    """Bring the catalog's schema to this program's version."""
    from retention.archive import migrate_archive_catalog

    added = migrate_archive_catalog(current.root())
    data: CatalogMigrate = {"added": list(added), "problems": []}
    if added:
        return Result(data, [current.say("catalog.migrated", versions=", ".join(added))])
    return Result(data, [current.say("catalog.newest")])
