"""`study list|show|export`: what is held, and giving it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.commands.study_rows import study_document, study_lines, study_row
from retention.cli.days import day_of
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution, require_tier
from retention.cli.paging import Limit
from retention.cli.text import size_text, table_lines

if TYPE_CHECKING:
    from retention.catalog.records import StudyFilter
    from retention.cli.documents.study import StudyExport, StudyList, StudyRow, StudyShow
    from retention.services.stores import Stores

Institution = Annotated[str | None, typer.Option(metavar="NAME", help="Only this institution's.")]
Uid = Annotated[str, typer.Argument(metavar="UID", help="Its Study Instance UID.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What is held, and giving it back.")
    group.command("list")(list_studies)
    group.command("show")(show)
    group.command("export")(export)
    app.add_typer(group, name="study")


@command("study list")
def list_studies(
    institution: Institution = None,
    tier: Annotated[str | None, typer.Option(metavar="TIER", help="Only what lies on this tier.")] = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only this state (PERMANENT, HELD …).")
    ] = None,
    due_before: Annotated[
        str | None, typer.Option(metavar="DAY", help="Only what may go before this day.")
    ] = None,
    patient: Annotated[str | None, typer.Option(metavar="ID", help="Only this Patient ID.")] = None,
    limit: Limit = None,
    after: Annotated[
        str | None, typer.Option(metavar="UID", help="Continue behind this study (or INSTITUTION/UID).")
    ] = None,
) -> Result[StudyList]:
    """List the studies that are held."""
    from retention.catalog.records import StudyFilter
    from retention.model.states import StudyState

    if state is not None and state.upper() not in list(StudyState):
        raise current.usage_error("study.state_unknown", state=state, states=", ".join(StudyState))
    wanted_state = None if state is None else StudyState(state.upper())
    stores = current.open()
    require_institution(stores, institution)
    require_tier(stores, tier)
    rows = _rows(
        stores,
        StudyFilter(
            institution,
            tier,
            wanted_state,
            patient,
            None if due_before is None else day_of(due_before),
            limit,
            after,
        ),
    )
    data: StudyList = {"studies": rows}
    return Result(data, _table(rows), rows="studies")


def _rows(stores: Stores, wanted: StudyFilter) -> Iterator[StudyRow]:
    """Yield the rows while the archive is open. What the filter names wrongly is told before the first one."""
    found = stores.catalog.studies(wanted)
    order = list(stores.settings.tiers)

    def rows() -> Iterator[StudyRow]:
        with closing(stores):
            yield from (study_row(summary, order) for summary in found)

    return rows()


def _table(rows: Iterator[StudyRow]) -> Iterator[str]:
    first = next(rows, None)
    if first is None:
        yield current.say("study.none")
        return
    names = ("uid", "institution", "tier", "instances", "size", "state", "health")
    yield from table_lines(
        [current.say(f"study.{name}") for name in names], (_cells(row) for row in chain([first], rows))
    )


def _cells(row: StudyRow) -> list[str]:
    return [
        row["study_uid"],
        row["institution"],
        row["tier"] or "-",
        str(row["instances"]),
        size_text(row["bytes"]),
        row["state"],
        row["health"],
    ]


@command("study show")
def show(uid: Uid, institution: Institution = None) -> Result[StudyShow]:
    """Everything about one study."""
    with closing(current.open()) as stores:
        require_institution(stores, institution)
        data = study_document(stores.catalog.study(uid, institution), list(stores.settings.tiers))
    return Result(data, study_lines(data))


@command("study export")
def export(
    uids: Annotated[
        list[str] | None,
        typer.Argument(metavar="UID…", help="Their Study Instance UIDs.", show_default=False),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the files.")],
    everything: Annotated[bool, typer.Option("--all", help="Every study.")] = False,
    institution: Institution = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Threads that unpack (default: one a core).")
    ] = None,
) -> Result[StudyExport]:
    """Give back studies' original files, each verified: one into DIR, several into a folder each."""
    from retention.services.memory import keep_freed_memory
    from retention.services.retrieve import every_study, export_studies

    if everything == bool(uids):
        raise current.usage_error("study.export_which")
    keep_freed_memory()
    with closing(current.open(catches_up=True)) as stores:
        require_institution(stores, institution)
        if everything:
            orders, total_bytes = every_study(stores, institution, out), None
        else:
            studies = [stores.catalog.study(uid, institution) for uid in dict.fromkeys(uids or ())]
            orders = (
                (study, out if len(studies) == 1 else out / study.summary.study_uid) for study in studies
            )
            total_bytes = sum(study.summary.bytes_received for study in studies)
        report = export_studies(stores, orders, current.progress(), total_bytes, jobs)
    if report.failures and not report.instances:
        raise report.failures[0]
    data: StudyExport = {
        "studies": report.studies,
        "instances": report.instances,
        "bytes": report.bytes,
        "directory": str(out),
        "failed": len(report.failures),
        "problems": [
            {"message": f.message, "hint": f.hint, "package": _text(f.context.get("package"))}
            for f in report.failures
        ],
        "seconds": round(report.seconds, 3),
    }
    return Result(data, _exported(data), exit_codes.PARTIAL if report.failures else exit_codes.DONE)


def _exported(data: StudyExport) -> Iterator[str]:
    yield current.say(
        "study.exported",
        studies=data["studies"],
        instances=data["instances"],
        size=size_text(data["bytes"]),
        directory=data["directory"],
    )
    for problem in data["problems"]:
        yield current.say("study.failed", message=current.told(problem["message"]))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
