"""`init`, `ingest`, `doctor`, `demo`: an archive as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.output import size_text


def register(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("ingest")(ingest)
    app.command("doctor")(doctor)
    app.command("demo")(demo)


@command("init")
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    name: Annotated[str | None, typer.Option(help="The archive's name (default: the folder's).")] = None,
    rehearsal: Annotated[bool, typer.Option("--rehearsal", help="An archive whose clock may be set.")] = False,
) -> Result:
    """Make an archive with the embedded defaults, and show its recovery key once."""
    from retention.archive import create_archive

    made = create_archive(directory, name or directory.resolve().name, is_rehearsal=rehearsal)
    settings = made.stores.settings
    made.stores.close()
    current.warn(current.say("init.recovery", key=made.recovery_key))
    data = {
        "archive": str(directory.resolve()),
        "archive_id": made.stores.archive_id,
        "volumes": [{"name": v.name, "url": v.url, "domain": v.domain} for v in settings.volumes.values()],
        "tiers": [
            {"name": t.name, "protection": str(t.protection), "volumes": list(t.volumes)}
            for t in settings.tiers.values()
        ],
        "rehearsal": rehearsal,
        "recovery_key": made.recovery_key,
    }
    tiers = ", ".join(f"{t.name} ({t.protection})" for t in settings.tiers.values())
    lines = [
        current.say("init.made", archive=directory, volumes=len(settings.volumes), tiers=tiers),
        current.say("init.next", archive=directory),
    ]
    return Result(data, lines)


@command("ingest")
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="DICOM files or folders.")],
    institution: Annotated[str, typer.Option(help="Whose studies these are.")],
    tier: Annotated[str, typer.Option(help="The tier to store them on.")] = "hot",
    jobs: Annotated[int | None, typer.Option(min=1, help="Threads that pack (default: one a core).")] = None,
) -> Result:
    """Store every DICOM file below PATH, bit for bit."""
    from retention.services import institutions
    from retention.services.ingest.ingest import Ingest
    from retention.services.memory import keep_freed_memory

    keep_freed_memory()
    stores = current.open(to_write=True)
    try:
        is_new = not stores.catalog.institutions()
        record = institutions.first_or_known(stores, institution)
        report = Ingest(stores, record.institution_id, tier, current.progress(), jobs).run(paths)
    finally:
        stores.close()
    if report.failures:
        raise report.failures[0]
    data = {
        "studies": report.studies,
        "stored": report.stored,
        "duplicates": report.duplicates,
        "reencoded": report.reencoded,
        "conflicts": report.conflicts,
        "quarantined": report.quarantined,
        "skipped": report.skipped,
        "unreadable": report.unreadable,
        "bytes_in": report.bytes_in,
        "bytes_stored": report.bytes_stored,
        "write_debt": report.write_debt,
        "seconds": round(report.seconds, 3),
        "refused": [{"path": each.path, "reason": each.reason} for each in report.refused],
    }
    lines = [current.say("ingest.institution", name=institution)] if is_new else []
    lines.append(
        current.say(
            "ingest.done",
            stored=report.stored,
            studies=report.studies,
            bytes_in=size_text(report.bytes_in),
            bytes_stored=size_text(report.bytes_stored),
            seconds=report.seconds,
            rate=size_text(int(report.bytes_in / max(report.seconds, 1e-6))),
        )
    )
    lines += [
        current.say(f"ingest.{name}", count=data[name])
        for name in ("duplicates", "reencoded", "conflicts", "quarantined", "skipped", "unreadable", "write_debt")
        if data[name]
    ]
    lines += [f"  {each.path}: {each.reason}" for each in report.refused]
    return Result(data, lines, exit_codes.PARTIAL if report.refused else exit_codes.DONE)


@command("doctor")
def doctor() -> Result:
    """Check this installation and say what to do about each problem."""
    from retention.services.doctor import examine_installation

    stores = current.open()
    try:
        checks = examine_installation(stores)
    finally:
        stores.close()
    data = {
        "checks": [
            {"name": c.name, "status": c.status.value, "detail": c.detail, "hint": c.hint} for c in checks
        ]
    }
    lines = []
    for check in checks:
        lines.append(f"{check.status.value:8} {check.name}: {check.detail}")
        if check.hint:
            lines.append(f"         {current.say('errors.hint', hint=check.hint)}")
    failed = any(check.is_failed for check in checks)
    return Result(data, lines, exit_codes.FINDINGS if failed else exit_codes.DONE)


@command("demo")
def demo(
    dicom: Annotated[Path | None, typer.Option(help="A folder of your own DICOM files.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Make the archive here and leave it.")] = None,
) -> Result:
    """The whole life of a few real studies, in under a minute."""
    from retention.cli.demo.story import tell

    return tell(dicom, keep)
