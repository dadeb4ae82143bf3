"""`init`, `ingest`, `doctor`: an archive as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_tier
from retention.cli.output import remark
from retention.cli.text import rate_text, size_text, toned

if TYPE_CHECKING:
    from retention.cli.documents.archive import Doctor, Ingest, Init
    from retention.services.ingest.ingest import IngestReport


def register(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("ingest")(ingest)
    app.command("doctor")(doctor)


@command("init")
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    name: Annotated[str | None, typer.Option(help="The archive's name (default: the folder's).")] = None,
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="An archive whose clock may be set.")
    ] = False,
) -> Result[Init]:
    """Make an archive, and show its recovery key once."""
    from retention.archive import create_archive
    from retention.model.errors import ClockRefusedError
    from retention.settings.terms import archive_name_from

    if current.as_of is not None and not rehearsal:
        raise ClockRefusedError(current.say("init.as_of"), hint=current.say("init.as_of_hint"))
    folder = directory.resolve()
    named = archive_name_from(folder.name) if name is None else name
    made = create_archive(directory, named, is_rehearsal=rehearsal, clock=current.clock())
    settings = made.stores.settings
    made.stores.close()
    remark(current, current.say("init.recovery", key=made.recovery_key))
    data: Init = {
        "archive": str(folder),
        "name": settings.name,
        "archive_id": made.stores.archive_id,
        "volumes": [
            {"name": v.name, "url": v.url, "site": v.site, "domain": v.domain}
            for v in settings.volumes.values()
        ],
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
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="DICOM files or folders.", readable=False)
    ],
    institution: Annotated[str, typer.Option(metavar="NAME", help="Whose studies these are.")],
    tier: Annotated[str, typer.Option(metavar="TIER", help="The tier to store them on.")] = "hot",
    jobs: Annotated[int | None, typer.Option(min=1, help="Threads that pack (default: one a core).")] = None,
) -> Result[Ingest]:
    """Store every DICOM file below PATH, bit for bit."""
    from retention.archive import institution_of
    from retention.services.ingest.ingest import Ingest as IngestRun
    from retention.services.memory import keep_freed_memory

    keep_freed_memory()
    with closing(current.open(to_write=True)) as stores:
        require_tier(stores, tier)
        is_first = not stores.catalog.institutions()
        record = institution_of(stores, institution)
        report = IngestRun(stores, record.institution_id, tier, current.progress(), jobs).run(paths)
    if report.failures:
        failure = report.failures[0]
        failure.hint = current.say("ingest.rest", studies=report.studies, hint=failure.hint or "")
        raise failure
    made = [current.say("ingest.institution", name=institution)] if is_first else []
    exit_code = exit_codes.PARTIAL if report.refused else exit_codes.DONE
    return Result(ingest_document(report), [*made, *ingest_lines(report)], exit_code)


def ingest_document(report: IngestReport) -> Ingest:
    """Return what `ingest` says of a run."""
    return {
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
        "unlocked": [error.message for error in report.unlocked],
        "seconds": round(report.seconds, 3),
        "refused": [{"path": each.path, "reason": each.reason} for each in report.refused],
    }


def ingest_lines(report: IngestReport) -> Iterator[str]:
    """Tell people the same."""
    yield from ingest_counts(report)
    yield from (current.say("ingest.unlocked", message=error.message) for error in report.unlocked)
    yield from (current.say("ingest.refused", path=each.path, reason=each.reason) for each in report.refused)


def ingest_counts(report: IngestReport) -> Iterator[str]:
    """Tell people how many files became what."""
    yield current.say(
        "ingest.done",
        stored=report.stored,
        studies=report.studies,
        bytes_in=size_text(report.bytes_in),
        bytes_stored=size_text(report.bytes_stored),
        seconds=report.seconds,
        rate=rate_text(report.bytes_in, report.seconds),
    )
    counts = {
        "ingest.duplicates": report.duplicates,
        "ingest.reencoded": report.reencoded,
        "ingest.conflicts": report.conflicts,
        "ingest.quarantined": report.quarantined,
        "ingest.skipped": report.skipped,
        "ingest.unreadable": report.unreadable,
        "ingest.write_debt": report.write_debt,
    }
    yield from (current.say(key, count=count) for key, count in counts.items() if count)


@command("doctor")
def doctor() -> Result[Doctor]:
    """Check this installation and say what to do about each problem."""
    from retention.archive import open_archive_to_examine
    from retention.services.access_doctor import examine_access
    from retention.services.doctor import examine_installation
    from retention.services.doors_doctor import examine_doors
    from retention.services.jobs.examining import examine_schedule

    with closing(open_archive_to_examine(current.root())) as stores:
        checks = [*examine_installation(stores), *examine_doors(stores)]
        checks += [*examine_schedule(stores), *examine_access(stores)]
        if stores.settings.peers:
            from retention.dimse.echoing import examine_peers

            checks += examine_peers(stores)
    data: Doctor = {
        "checks": [{"name": c.name, "status": c.status, "detail": c.detail, "hint": c.hint} for c in checks]
    }
    lines = []
    for check in checks:
        status = toned(check.status.value, f"{check.status.value:8}")
        lines.append(
            f"{status} {current.say('doctor.check', name=current.told(check.name), detail=current.told(check.detail))}"
        )
        if check.hint:
            lines.append(f"{'':8} {current.say('errors.hint', hint=current.told(check.hint))}")
    failed = any(check.is_failed for check in checks)
    return Result(data, lines, exit_codes.FINDINGS if failed else exit_codes.DONE)
