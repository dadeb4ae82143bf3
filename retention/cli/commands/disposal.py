"""`disposal …`: the only way a record leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.text import table_lines

if TYPE_CHECKING:
    from retention.catalog.disposal_records import ProposalRecord
    from retention.cli.documents.disposal import (
        DisposalCertificate,
        DisposalExecute,
        DisposalFile,
        DisposalRequest,
        Disposals,
        Proposal,
        ProposedStudy,
    )
    from retention.services.stores import Stores

Identifier = Annotated[str, typer.Argument(metavar="ID", help="The proposal's id, or its beginning.")]
Out = Annotated[Path, typer.Option(metavar="FILE", help="The new file.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Disposal: the only way a record leaves.")
    group.callback()(_group)
    group.command("propose")(propose)
    group.command("list")(list_proposals)
    group.command("show")(show)
    group.command("bordereau")(bordereau)
    group.command("execute")(execute)
    group.command("certificate")(certificate)
    group.command("request")(request)
    app.add_typer(group, name="disposal")


def _group() -> None:
    """Disposal: proposal, approvals, grace, execution, certificate."""


@command("disposal propose")
def propose(
    institution: Annotated[str, typer.Option(metavar="NAME", help="Whose studies.")],
    at: Annotated[
        str | None, typer.Option(metavar="DAY", help="Analyse as of this day; it has no effect.")
    ] = None,
) -> Result[Disposals]:
    """Analyse an institution's studies and write down what might be destroyed. No effect."""
    from retention.services import institutions
    from retention.services.disposal.proposals import propose as make

    day = None if at is None else _day(at)
    with closing(current.open(to_write=True)) as stores:
        owner = institutions.find(stores, institution)
        record = make(stores, owner.institution_id, day)
        data: Disposals = {
            "proposals": [_proposal(stores, record)],
            "certificates": stores.catalog.disposals.certificates(),
        }
    return Result(data, _lines(data), rows="proposals")


@command("disposal list")
def list_proposals() -> Result[Disposals]:
    """List proposals, and how far each has come."""
    with closing(current.open()) as stores:
        data: Disposals = {
            "proposals": [_proposal(stores, record) for record in stores.catalog.disposals.all()],
            "certificates": stores.catalog.disposals.certificates(),
        }
    return Result(data, _lines(data), rows="proposals")


@command("disposal show")
def show(proposal: Identifier) -> Result[Disposals]:
    """Show a proposal: every study that is not simply kept, with its outcome and why."""
    from retention.services.disposal.proposals import find

    with closing(current.open()) as stores:
        record = find(stores, proposal)
        data: Disposals = {
            "proposals": [_proposal(stores, record)],
            "certificates": stores.catalog.disposals.certificates(),
            "studies": _studies(stores, record),
        }
    rows = (
        [s["study_uid"] or s["study"], s["outcome"], current.told(s["why"]), s["keep_until"] or "-"]
        for s in data["studies"]
    )
    names = [current.say(f"disposal.{name}") for name in ("study", "outcome", "why", "until")]
    return Result(data, [*_lines(data), *table_lines(names, rows)], rows="studies")


@command("disposal bordereau")
def bordereau(proposal: Identifier, out: Out) -> Result[DisposalFile]:
    """Write the bordereau of a proposal, for those who approve it: PDF when the file ends in .pdf, else CSV."""
    from retention.services.disposal.bordereau import bordereau as bordereau_of
    from retention.services.disposal.proposals import find

    is_pdf = out.suffix.lower() == ".pdf"
    with closing(current.open(to_write=is_pdf)) as stores:
        record = find(stores, proposal)
        made = bordereau_of(stores, record)
        if is_pdf:
            from retention.services.disposal.papers import bordereau_pdf

            _write(out, bordereau_pdf(stores, made, current.language))
        else:
            _write(out, made.csv().encode())
    data: DisposalFile = {"file": str(out), "proposals": [record.proposal_id], "certificates": []}
    return Result(data, [current.say("disposal.written", file=out)])


@command("disposal execute")
def execute(proposal: Identifier) -> Result[DisposalExecute]:
    """Destroy what a proposal names and may still go; a stopped execution goes on."""
    from retention.services.disposal.execution import execute as execute_proposal

    with closing(current.open(to_write=True)) as stores:
        done = execute_proposal(stores, proposal)
        row = _proposal(stores, done.proposal)
    number = [] if done.certificate is None else [done.certificate.number]
    data: DisposalExecute = {
        "proposals": [row],
        "certificates": number,
        "destroyed": done.destroyed,
        "left_out": [{"study": study.study, "reason": why} for study, why in done.left_out],
        "remains": [{"volume": volume, "object": key, "why": why} for volume, key, why in done.remains],
    }
    lines = [
        current.say("disposal.destroyed", studies=done.destroyed, certificate=", ".join(number)),
        *(
            current.say("disposal.left_out", study=study.study, why=current.told(why))
            for study, why in done.left_out
        ),
        *(
            current.say("disposal.remains", volume=volume, key=key, why=current.told(why))
            for volume, key, why in done.remains
        ),
    ]
    partial = done.left_out or done.remains
    return Result(data, lines, exit_codes.PARTIAL if partial else exit_codes.DONE)


@command("disposal certificate")
def certificate(proposal: Identifier, out: Out) -> Result[DisposalCertificate]:
    """Write the certificate of an execution, with the journal's proof: PDF (.pdf), text (.txt), else JSON."""
    from retention.services.disposal.certified import certified, certified_text

    with closing(current.open(to_write=True)) as stores:
        document = certified(stores, proposal)
        if out.suffix.lower() == ".pdf":
            from retention.services.disposal.papers import certificate_pdf

            content = certificate_pdf(stores, document, current.language)
        elif out.suffix == ".txt":
            content = certified_text(document).encode()
        else:
            content = (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
    _write(out, content)
    data: DisposalCertificate = {"file": str(out), "certificates": [document]}
    return Result(data, [current.say("disposal.written", file=out)])


@command("disposal request")
def request(
    study: Annotated[str, typer.Argument(metavar="UID", help="Its Study Instance UID.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Who asks for erasure, and why.")],
    institution: Annotated[str | None, typer.Option(metavar="NAME", help="Whose study.")] = None,
) -> Result[DisposalRequest]:
    """Record that somebody asks for a study to be erased, and answer with the law. Destroys nothing."""
    from retention.services.disposal.erasure import ask_for_erasure

    with closing(current.open(to_write=True)) as stores:
        answer = ask_for_erasure(stores, study, institution, reason)
    until = answer.decision.keep_until
    data: DisposalRequest = {
        "study_uid": answer.study_uid,
        "refused": answer.article is not None,
        "article": answer.article,
        "state": answer.decision.state.value,
        "keep_until": None if until is None else until.isoformat(),
        "legal_bases": list(answer.legal_bases),
    }
    if answer.article is None:
        return Result(data, [current.say("disposal.request_open")])
    lines = [
        current.say("disposal.request_refused", article=answer.article, state=data["state"]),
        *(current.say("disposal.request_basis", basis=basis) for basis in answer.legal_bases),
    ]
    return Result(data, lines, exit_codes.NOT_ALLOWED)


def _proposal(stores: Stores, record: ProposalRecord) -> Proposal:
    from retention.services.disposal.execution import standing
    from retention.services.disposal.proposals import to_destroy

    far = standing(stores, record)
    certified = stores.catalog.disposals.certificate(record.proposal_id)
    names = {one.institution_id: one.spec.name for one in stores.catalog.institutions()}
    return {
        "id": record.proposal_id,
        "institution": names[record.institution_id],
        "state": record.state,
        "for_day": record.for_on.isoformat(),
        "made_at": record.made_at.isoformat(),
        "counts": dict(record.counts),
        "destroy": len(to_destroy(record)),
        "awaited": None if far.awaited is None or record.state != "proposed" else far.awaited.name,
        "executable_on": None if far.executable_on is None else far.executable_on.isoformat(),
        "certificate": None if certified is None else certified.number,
    }


def _studies(stores: Stores, record: ProposalRecord) -> list[ProposedStudy]:
    from retention.services.disposal.proposals import held_uids

    uids = held_uids(stores, record)
    return [
        {
            "study": study.study,
            "study_uid": uids.get(study.study),
            "outcome": study.outcome,
            "why": study.why,
            "keep_until": None if study.keep_until_on is None else study.keep_until_on.isoformat(),
            "winner": study.winner,
        }
        for study in record.studies
    ]


def _lines(data: Disposals) -> Iterator[str]:
    if not data["proposals"]:
        yield current.say("disposal.none")
        return
    names = ("id", "institution", "state", "destroy", "awaited", "executable")
    rows = (
        [
            row["id"][:12],
            row["institution"],
            row["state"],
            str(row["destroy"]),
            row["awaited"] or "-",
            row["executable_on"] or "-",
        ]
        for row in data["proposals"]
    )
    yield from table_lines([current.say(f"disposal.{name}") for name in names], rows)


def _write(out: Path, content: bytes) -> None:
    try:
        with out.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise current.usage_error("disposal.exists", file=out) from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise current.usage_error("disposal.no_day", text=text) from None
