"""`study list|show|export`: what is held, and giving it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.output import size_text, table_lines
from retention.model.clock import format_instant
from retention.model.errors import UsageError

if TYPE_CHECKING:
    from retention.catalog.records import PackageSummary, StudyDetail, StudySummary

Institution = Annotated[str | None, typer.Option(help="Only this institution's.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What is held, and giving it back.", no_args_is_help=True)
    group.command("list")(list_studies)
    group.command("show")(show)
    group.command("export")(export)
    app.add_typer(group, name="study")


@command("study list")
def list_studies(
    institution: Institution = None,
    tier: Annotated[str | None, typer.Option(help="Only what lies on this tier.")] = None,
    state: Annotated[str | None, typer.Option(help="Only this state (PERMANENT, HELD …).")] = None,
    due_before: Annotated[str | None, typer.Option(metavar="DAY", help="Only what may go before this day.")] = None,
    patient: Annotated[str | None, typer.Option(help="Only this Patient ID.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    after: Annotated[str | None, typer.Option(metavar="UID", help="Continue behind this study.")] = None,
) -> Result:
    """List the studies that are held."""
    from retention.catalog.records import StudyFilter, StudyState

    try:
        wanted_state = None if state is None else StudyState(state.upper())
        due = None if due_before is None else date.fromisoformat(due_before)
    except ValueError as error:
        raise UsageError(str(error), hint="states: " + ", ".join(StudyState) + "; days: 2031-05-01") from None
    stores = current.open()
    wanted = StudyFilter(institution, tier, wanted_state, patient, due, limit, after)
    found = stores.catalog.studies(wanted)
    rows = (_summary_row(summary) for summary in found)
    return Result({"studies": rows}, _listed(rows), rows="studies")


@command("study show")
def show(uid: str, institution: Institution = None) -> Result:
    """Everything about one study."""
    stores = current.open()
    study = stores.catalog.study(uid, institution)
    stores.close()
    data = _detail(study)
    return Result(data, list(_described(study)))


@command("study export")
def export(
    uid: str,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the files.")],
    institution: Institution = None,
) -> Result:
    """Give back a study's original files, each verified against its digests."""
    from retention.services.retrieve import export_study

    stores = current.open()
    try:
        report = export_study(stores, stores.catalog.study(uid, institution), out, current.progress())
    finally:
        stores.close()
    if report.failures and not report.instances:
        raise report.failures[0]
    data = {
        "study_uid": uid,
        "instances": report.instances,
        "bytes": report.bytes,
        "directory": str(out),
        "failed": len(report.failures),
        "problems": [{"message": f.message, "hint": f.hint, "package": f.context.get("package")} for f in report.failures],
    }
    lines = [current.say("study.exported", instances=report.instances, size=size_text(report.bytes), directory=out)]
    lines += [current.say("study.failed", message=failure.message) for failure in report.failures]
    return Result(data, lines, exit_codes.PARTIAL if report.failures else exit_codes.DONE)


def _summary_row(study: StudySummary) -> dict[str, Any]:
    return {
        "study_uid": study.study_uid,
        "institution": study.institution,
        "tier": study.tiers[-1] if study.tiers else None,
        "tiers": list(study.tiers),
        "instances": study.instances,
        "bytes": study.bytes_received,
        "state": study.state.value,
        "keep_until": study.keep_until_on.isoformat() if study.keep_until_on else None,
        "holds": study.holds,
        "health": study.health.value,
        "last_verified": format_instant(study.last_verified_at) if study.last_verified_at else None,
    }


def _listed(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    listed = list(rows)
    if not listed:
        yield current.say("study.none")
        return
    headings = [current.say(f"study.{name}") for name in ("uid", "institution", "tier", "instances", "size", "state", "health")]
    cells = [
        [
            row["study_uid"],
            row["institution"],
            row["tier"] or "",
            str(row["instances"]),
            size_text(row["bytes"]),
            row["state"],
            row["health"],
        ]
        for row in listed
    ]
    yield from table_lines(headings, cells)


def _detail(study: StudyDetail) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **_summary_row(study.summary),
        "received": format_instant(study.summary.received_at),
        "patient": asdict(study.patient),
        "facts": asdict(study.facts),
        "modalities": list(study.modalities),
        "series": [
            {"series_uid": series.series_uid, "instances": series.instances, **asdict(series.facts)}
            for series in study.series
        ],
        "packages": [_package(package) for package in study.packages],
    }


def _package(package: PackageSummary) -> dict[str, Any]:
    return {
        "package": package.package_id,
        "tier": package.tier,
        "protection": str(package.protection),
        "instances": package.instances,
        "bytes_stored": package.bytes_stored,
        "health": package.health.value,
        "created": format_instant(package.created_at),
        "shards": [
            {
                "number": shard.number,
                "generation": shard.generation,
                "volume": shard.volume,
                "state": shard.state.value,
                "bytes": shard.size_bytes,
                "verified": format_instant(shard.verified_at) if shard.verified_at else None,
            }
            for shard in package.shards
        ],
    }


def _described(study: StudyDetail) -> Iterator[str]:
    data = _detail(study)
    for name in ("study_uid", "institution", "tier", "instances", "state", "keep_until", "health", "last_verified"):
        yield f"{name + ':':15} {data[name] if data[name] is not None else '-'}"
    yield f"{'size:':15} {size_text(data['bytes'])}"
    for name, value in {**data["patient"], **data["facts"]}.items():
        if value is not None:
            yield f"{name + ':':15} {value}"
    for series in data["series"]:
        yield f"series {series['series_uid']}: {series['modality'] or '?'}, {series['instances']} instances"
    for package in data["packages"]:
        places = ", ".join(f"{shard['volume'] or 'no volume yet'} ({shard['state']})" for shard in package["shards"])
        yield f"package {package['package']} on {package['tier']}, {package['protection']}: {places}"
