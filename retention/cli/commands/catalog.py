"""`catalog check|rebuild|migrate`: the index, compared with the truths and made again from them."""

from __future__ import annotations


import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The catalog: an index that can be made again.", no_args_is_help=True)
    group.command("check")(check)
    group.command("rebuild")(rebuild)
    group.command("migrate")(migrate)
    app.add_typer(group, name="catalog")


@command("catalog check")
def check() -> Result:
    """Compare the catalog with itself, the journal and what lies on the volumes."""
    from retention.services.catalog_check import check_catalog

    stores = current.open(to_write=True)
    try:
        report = check_catalog(stores)
    finally:
        stores.close()
    data = {
        "studies": report.studies,
        "packages": report.packages,
        "problems": [{"kind": problem.kind, "detail": problem.detail} for problem in report.problems],
    }
    lines = [current.say("catalog.checked", studies=report.studies, packages=report.packages)]
    lines += [f"  {problem.kind}: {problem.detail}" for problem in report.problems]
    return Result(data, lines, exit_codes.FINDINGS if report.problems else exit_codes.DONE)


@command("catalog rebuild")
def rebuild() -> Result:
    """Make the catalog again from the online volumes alone."""
    from retention.archive import rebuild_archive_catalog

    report = rebuild_archive_catalog(current.root(), current.progress())
    data = {"studies": report.studies, "packages": report.packages, "entries": report.entries, "problems": []}
    line = current.say(
        "catalog.rebuilt", studies=report.studies, packages=report.packages, entries=report.entries
    )
    return Result(data, [line])


@command("catalog migrate")
def migrate() -> Result:
    """Bring the catalog's schema to this program's version."""
    from retention.archive import migrate_archive_catalog

    added = migrate_archive_catalog(current.root())
    key = "catalog.migrated" if added else "catalog.newest"
    return Result({"added": list(added), "problems": []}, [current.say(key, versions=", ".join(added))])
