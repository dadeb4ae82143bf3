"""`recall request|list|cancel`: bringing a study back from a tier that answers slowly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution
from retention.cli.text import table_lines

if TYPE_CHECKING:
    from retention.catalog.recalls import RecallRecord
    from retention.cli.documents.recall import RecallList, RecallProblem, RecallRequest
    from retention.services.recall import Advanced
    from retention.services.stores import Stores


class HowSoon(StrEnum):
    """How much it is worth to have it soon."""

    ROUTINE = "routine"
    SOON = "soon"
    EMERGENCY = "emergency"


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Bringing a study back from a slow tier.")
    group.command("request")(request)
    group.command("list")(list_requests)
    group.command("cancel")(cancel)
    app.add_typer(group, name="recall")


@command("recall request")
def request(
    uid: Annotated[str, typer.Argument(metavar="UID", help="Its Study Instance UID.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Who needs it, and what for.")],
    urgency: Annotated[HowSoon, typer.Option(help="How soon it is needed.")] = HowSoon.ROUTINE,
    institution: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose study, if several hold it.")
    ] = None,
) -> Result[RecallList]:
    """Ask for a study that lies on a slow tier."""
    from retention.services import recall
    from retention.storage.volume import Urgency

    with closing(current.open(to_write=True)) as stores:
        require_institution(stores, institution)
        study = stores.catalog.study(uid, institution)
        asked = recall.request(stores, study, reason, Urgency(urgency.value))
        rows = [_document(stores, asked)]
    return _of_one(rows)


@command("recall list")
def list_requests(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
) -> Result[RecallList]:
    """List requests and how far they are; what has become readable is made ready."""
    from retention.services import recall

    with closing(current.open(to_write=True)) as stores:
        advanced = recall.advance(stores)
        found = stores.catalog.recalls.all() if everything else stores.catalog.recalls.open()
        rows = [_document(stores, record) for record in found]
    problems = _problems(advanced)
    findings = len(advanced.findings)
    data: RecallList = {"requests": rows, "findings": findings, "problems": problems}
    code = exit_codes.FINDINGS if findings else exit_codes.DONE
    return Result(data, _lines(rows, problems, findings), code, rows="requests")


@command("recall cancel")
def cancel(
    recall_id: Annotated[str, typer.Argument(metavar="ID", help="As `recall list` names it.")],
) -> Result[RecallList]:
    """Give a request up; a copy that nobody else asked for goes."""
    from retention.services import recall
    from retention.services.move.leaving import drop_due

    with closing(current.open(to_write=True)) as stores:
        rows = [_document(stores, recall.cancel(stores, recall_id))]
        drop_due(stores)
    return _of_one(rows)


def _of_one(rows: Sequence[RecallRequest]) -> Result[RecallList]:
    data: RecallList = {"requests": list(rows), "findings": 0, "problems": []}
    return Result(data, _lines(rows), rows="requests")


def _document(stores: Stores, record: RecallRecord) -> RecallRequest:
    from retention.model.clock import format_instant
    from retention.services.recall import expected_at

    eta = expected_at(stores, record)
    return {
        "id": record.recall_id,
        "study_uid": record.study_uid,
        "institution": record.institution,
        "state": record.state.value,
        "urgency": HowSoon(record.urgency).value,
        "reason": record.reason,
        "by": record.asked_by,
        "requested_at": format_instant(record.requested_at),
        "eta": None if eta is None else format_instant(eta),
        "moving_to": record.moving_to,
        "until": None if record.until_at is None else format_instant(record.until_at),
    }


def _problems(advanced: Advanced) -> list[RecallProblem]:
    return [
        {"id": record.recall_id, "message": error.message, "hint": error.hint}
        for record, error in advanced.failed
    ]


def _lines(
    rows: Sequence[RecallRequest], problems: Sequence[RecallProblem] = (), findings: int = 0
) -> Iterator[str]:
    if findings:
        yield current.say("recall.findings", count=findings)
    if not rows:
        yield current.say("recall.none")
        return
    names = (
        "recall.id",
        "study.uid",
        "study.state",
        "recall.eta",
        "recall.until",
        "recall.by",
        "recall.reason",
    )
    yield from table_lines([current.say(name) for name in names], map(_cells, rows))
    for problem in problems:
        yield current.say("recall.problem", id=problem["id"], message=current.told(problem["message"]))


def _cells(row: RecallRequest) -> list[str]:
    return [
        row["id"],
        row["study_uid"] or "-",
        row["state"],
        _minute(row["eta"]),
        _minute(row["until"]),
        row["by"] or "-",
        row["reason"] or "-",
    ]


def _minute(instant: str | None) -> str:
    return "-" if instant is None else f"{instant[:16].replace('T', ' ')} UTC"
