"""`approval list|approve|reject`: second signatures, for whatever needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli.days import day_of
from retention.cli.invocation import Result, command, current
from retention.cli.text import table_lines
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from retention.catalog.approvals import GivenRecord, RequestRecord
    from retention.cli.documents.approval import ApprovalDecided, ApprovalGiven, ApprovalList, ApprovalRow
    from retention.services.approvals import Visa
    from retention.services.stores import Stores

RequestId = Annotated[
    str, typer.Argument(metavar="ID", help="As `approval list` shows it; its beginning is enough.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What waits for a second signature.")
    group.command("list")(list_requests)
    group.command("approve")(approve)
    group.command("reject")(reject)
    app.add_typer(group, name="approval")


@command("approval list")
def list_requests(
    all_: Annotated[bool, typer.Option("--all", help="Also what is decided already.")] = False,
) -> Result[ApprovalList]:
    """List what waits for signatures, and whose comes next."""
    from retention.services import approvals

    with closing(current.open()) as stores:
        found = stores.catalog.approvals.all() if all_ else approvals.pending(stores)
        names = _names(stores)
        rows = [_row(stores, record, names) for record in found]
    return Result({"approvals": rows}, _lines(rows), rows="approvals")


@command("approval approve")
def approve(
    request: RequestId,
    external: Annotated[
        str | None, typer.Option(metavar="NAME", help="Record what this authority outside decided.")
    ] = None,
    number: Annotated[str | None, typer.Option(metavar="N", help="The number of its decision.")] = None,
    date: Annotated[str | None, typer.Option(metavar="DAY", help="The day of its decision.")] = None,
    document: Annotated[Path | None, typer.Option(metavar="FILE", help="The document that says so.")] = None,
) -> Result[ApprovalDecided]:
    """Sign a request; with the last signature, what was asked for happens."""
    from retention.services import approvals, decisions
    from retention.services.handlers import handler_of

    visa = _visa(external, number, date, document)
    with closing(current.open(to_write=True)) as stores:
        record = approvals.approve(stores, request, handler_of, visa)
        decisions.refresh(stores)
        return _decided(stores, record)


@command("approval reject")
def reject(
    request: RequestId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
) -> Result[ApprovalDecided]:
    """Close a request without effect."""
    from retention.services import approvals

    with closing(current.open(to_write=True)) as stores:
        return _decided(stores, approvals.reject(stores, request, reason))


def _visa(external: str | None, number: str | None, date: str | None, document: Path | None) -> Visa | None:
    """Return what an authority outside decided. Raises UsageError unless all of it is given, or nothing."""
    from retention.services.approvals import Visa

    given = (external, number, date, document)
    if all(each is None for each in given):
        return None
    if external is None or number is None or date is None or document is None:
        raise current.usage_error("approval.visa")
    with document.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Visa(external, number, day_of(date), digest)


def _decided(stores: Stores, record: RequestRecord) -> Result[ApprovalDecided]:
    row = _row(stores, record, _names(stores))
    said = current.say(
        f"approval.{row['state']}", kind=row["kind"], id=row["id"], awaited=row["awaited"] or ""
    )
    return Result({"approvals": [row]}, [said, *_lines([row])], rows="approvals")


def _lines(rows: Sequence[ApprovalRow]) -> Iterator[str]:
    if not rows:
        yield current.say("approval.none")
        return
    headings = [
        current.say(f"approval.{name}") for name in ("id", "kind", "institution", "awaited", "summary")
    ]
    yield from table_lines(
        headings,
        (
            [
                row["id"],
                row["kind"],
                row["institution"] or "-",
                row["awaited"] or row["state"],
                row["summary"],
            ]
            for row in rows
        ),
    )


def _names(stores: Stores) -> dict[str, str]:
    """Return how institutions and people are called, by id."""
    people = {each.person_id: each.name for each in stores.catalog.people.all()}
    return people | {each.institution_id: each.spec.name for each in stores.catalog.institutions()}


def _row(stores: Stores, record: RequestRecord, names: dict[str, str]) -> ApprovalRow:
    from retention.services.approvals import progress_of

    progress = progress_of(stores, record)
    is_pending = record.state == "pending"
    counting = {(each.approver.name, each.on) for each in progress.given}
    return {
        "id": record.request_id,
        "kind": record.kind,
        "institution": None if record.institution_id is None else names[record.institution_id],
        "summary": record.summary,
        "digest": record.digest,
        "approvers": [each.name for each in record.approvers],
        "given": [
            _given(each, names)
            for each in record.given
            if (each.approver, each.given_at.date()) in counting or not is_pending
        ],
        "awaited": progress.awaited.name if is_pending and progress.awaited is not None else None,
        "asked_by": None if record.asked_by is None else names.get(record.asked_by, record.asked_by),
        "asked": format_instant(record.asked_at),
        "state": record.state.value,
        "reason": record.reason,
    }


def _given(given: GivenRecord, names: dict[str, str]) -> ApprovalGiven:
    visa = given.visa
    return {
        "approver": given.approver,
        "person": names.get(given.person, given.person),
        "method": given.method,
        "at": format_instant(given.given_at),
        "visa": None
        if visa is None
        else {"number": visa["number"], "date": visa["date"], "document": visa["document"]},
    }
