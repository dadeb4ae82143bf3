"""`hold place|release|list`: legal holds, which keep studies whatever any policy says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.days import day_of
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution
from retention.cli.output import remark
from retention.cli.text import table_lines
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from retention.catalog.holds import HoldRecord
    from retention.cli.documents.hold import HoldList, HoldPlaced, HoldRelease, HoldRow
    from retention.model.identifiers import InstitutionId
    from retention.services.stores import Stores

HoldId = Annotated[
    str, typer.Argument(metavar="ID", help="As `hold list` shows it; its beginning is enough.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Legal holds: what is kept whatever any policy says.")
    group.command("place")(place)
    group.command("release")(release)
    group.command("list")(list_holds)
    app.add_typer(group, name="hold")


@command("hold place")
def place(
    owner: Annotated[str, typer.Option(metavar="NAME", help="Whose case it is.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    reassess: Annotated[str, typer.Option(metavar="DAY", help="When to look at it again.")],
    study: Annotated[str | None, typer.Option(metavar="UID", help="Hold this study.")] = None,
    patient: Annotated[
        str | None, typer.Option(metavar="ID[^ISSUER]", help="Hold all of this patient's studies.")
    ] = None,
    query: Annotated[
        str | None, typer.Option(metavar="MATCH", help="Hold what a policy would match: 'modality: CT'.")
    ] = None,
    institution: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where (default: the only institution, or the study's)."),
    ] = None,
) -> Result[HoldPlaced]:
    """Place a hold, at once; it also covers what arrives later."""
    from retention.services import holds
    from retention.services.locks import mirror_holds

    day = day_of(reassess)
    with closing(current.open(to_write=True)) as stores:
        require_institution(stores, institution)
        where = _institution(stores, institution, study)
        record = holds.place(stores, holds.Case(where, owner, reason, day, study, patient, query))
        row = _row(stores, record)
        for volume, error in mirror_holds(stores).problems:
            remark(
                current, current.say("hold.not_mirrored", volume=volume, message=current.told(error.message))
            )
    return Result({"holds": [row]}, [current.say("hold.placed", id=row["id"]), *_lines([row])], rows="holds")


@command("hold release")
def release(
    hold: HoldId, reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is over.")]
) -> Result[HoldRelease]:
    """Ask for a hold to be released; somebody else has to approve."""
    from retention.services import holds

    with closing(current.open(to_write=True)) as stores:
        request = holds.ask_release(stores, hold, reason)
        row = _row(stores, holds.find(stores, hold))
    remark(current, current.say("hold.next", request=request))
    return Result({"holds": [row]}, [current.say("hold.asked", id=row["id"])], rows="holds")


@command("hold list")
def list_holds(
    all_: Annotated[bool, typer.Option("--all", help="Also those that were released.")] = False,
    institution: Annotated[str | None, typer.Option(metavar="NAME", help="Only this institution's.")] = None,
) -> Result[HoldList]:
    """List legal holds; a day to look at one again that has passed is a finding."""
    with closing(current.open()) as stores:
        require_institution(stores, institution)
        found = stores.catalog.holds.all() if all_ else stores.catalog.holds.standing()
        rows = [_row(stores, record) for record in found]
    rows = [row for row in rows if institution in (None, row["institution"])]
    is_late = any(row["overdue"] for row in rows)
    exit_code = exit_codes.FINDINGS if is_late else exit_codes.DONE
    return Result({"holds": rows}, _lines(rows), exit_code, rows="holds")


def _lines(rows: Sequence[HoldRow]) -> Iterator[str]:
    if not rows:
        yield current.say("hold.none")
        return
    words = ("id", "institution", "scope", "subject", "owner", "reassess", "reason")
    yield from table_lines([current.say(f"hold.{word}") for word in words], _cells(rows))
    for row in rows:
        if row["overdue"]:
            yield current.say("hold.overdue", id=row["id"], owner=row["owner"], day=row["reassess"])


def _cells(rows: Iterable[HoldRow]) -> Iterator[list[str]]:
    for row in rows:
        yield [
            row["id"][:8],
            row["institution"],
            current.say(f"hold.scope_{row['scope']}"),
            row["subject"],
            row["owner"],
            row["reassess"],
            row["reason"],
        ]


def _row(stores: Stores, record: HoldRecord) -> HoldRow:
    from retention.services import holds

    names = {each.institution_id: each.spec.name for each in stores.catalog.institutions()}
    person = None if record.placed_by is None else stores.catalog.people.get(record.placed_by)
    is_standing = record.released_at is None
    waiting = [
        each.request_id
        for each in stores.catalog.approvals.about(holds.KIND, record.hold_id)
        if each.state == "pending"
    ]
    return {
        "id": record.hold_id,
        "institution": names[record.institution_id],
        "scope": record.scope.value,
        "subject": holds.subject_of(record),
        "owner": record.owner,
        "reason": record.reason,
        "reassess": record.reassess_on.isoformat(),
        "overdue": is_standing and record.reassess_on < stores.clock.now().date(),
        "placed": format_instant(record.placed_at),
        "placed_by": record.placed_by if person is None else person.name,
        "released": None if record.released_at is None else format_instant(record.released_at),
        "studies": len(stores.catalog.holds.covered_by_name(record.hold_id))
        if is_standing and record.query is None
        else None,
        "approval": waiting[0] if waiting else None,
    }


def _institution(stores: Stores, name: str | None, study_uid: str | None) -> InstitutionId:
    """Return where a hold is placed. Raises UsageError when that is not clear."""
    known = {each.spec.name: each.institution_id for each in stores.catalog.institutions()}
    if name is not None:
        return known[name]
    if study_uid is not None:
        return stores.catalog.study(study_uid).summary.institution_id
    if len(known) != 1:
        raise current.usage_error("hold.where", known=", ".join(known))
    return next(iter(known.values()))
