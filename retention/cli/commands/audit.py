"""`audit run`: read back, verify, repair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.commands.audit_status import status, write_history
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution, require_tier
from retention.cli.text import rate_text, size_text, toned

if TYPE_CHECKING:
    from retention.cli.documents.audit import AuditFinding, AuditRun
    from retention.model.findings import Finding
    from retention.services.audit.audit import AuditReport


class AskedMethod(StrEnum):
    """How packages are checked; what a nonce challenge was is said by its result."""

    FULL = "full"
    CELLS = "cells"
    METADATA = "metadata"
    NONCE = "nonce"


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Fixity audits.")
    group.callback()(_group)
    group.command("run")(run)
    group.command("status")(status)
    group.command("history")(write_history)
    app.add_typer(group, name="audit")


def _group() -> None:
    """Fixity audits: read back, verify, repair."""


@command("audit run")
def run(
    due: Annotated[
        bool,
        typer.Option("--due", help="What plans and archive.yaml ask for by now, within --budget and --for."),
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every package.")] = False,
    tier: Annotated[str | None, typer.Option(metavar="TIER", help="Every package on this tier.")] = None,
    study: Annotated[str | None, typer.Option(metavar="UID", help="One study's packages.")] = None,
    sample: Annotated[
        str | None, typer.Option(metavar="P", help="A random share of all packages, such as 2%.")
    ] = None,
    institution: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose study, if several hold it.")
    ] = None,
    method: Annotated[
        AskedMethod,
        typer.Option(
            help="full reads all; cells a few cells of each shard; metadata only looks; nonce challenges."
        ),
    ] = AskedMethod.FULL,
    budget: Annotated[
        str | None, typer.Option(metavar="SIZE", help="With --due: read at most 500GiB.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=0, metavar="SECONDS", help="With --due: begin nothing after that."),
    ] = None,
    no_repair: Annotated[bool, typer.Option("--no-repair", help="Only look.")] = False,
) -> Result[AuditRun]:
    """Read back and verify every cell of the chosen packages; repair what can be repaired."""
    if sum((due, everything, tier is not None, study is not None, sample is not None)) != 1:
        raise current.usage_error("audit.which")
    if institution is not None and study is None:
        raise current.usage_error("audit.whose")
    if not due and (budget is not None or seconds is not None):
        raise current.usage_error("audit.budget_of")
    if due and method is not AskedMethod.FULL:
        raise current.usage_error("audit.method_of")
    share, max_bytes = _share(sample), _size(budget)
    with closing(current.open(to_write=True)) as stores:
        require_tier(stores, tier)
        require_institution(stores, institution)
        if due:
            from retention.services.audit.rounds import run_due
            from retention.services.move.budget import Limits

            limits = Limits(max_bytes, None, seconds)
            report = run_due(stores, budget=limits, progress=current.progress(), repair=not no_repair)
        else:
            from retention.services.audit.selection import Selection, audit
            from retention.services.audit_record import Method

            selection = Selection(tier, study, institution, share, Method(method.value))
            report = audit(stores, selection, current.progress(), repair=not no_repair)
    has_findings = report.findings or report.unreachable
    exit_code = exit_codes.FINDINGS if has_findings else exit_codes.DONE
    return Result(audit_document(report), audit_lines(report), exit_code)


def _share(text: str | None) -> float | None:
    from retention.settings.terms import check_percent, percent_of

    if text is None:
        return None
    if check_percent(text) is not None:
        raise current.usage_error("audit.share", text=text)
    return percent_of(text)


def _size(text: str | None) -> int | None:
    from retention.settings.terms import parse_size

    size_bytes = None if text is None else parse_size(text)
    if size_bytes is not None and not isinstance(size_bytes, int):
        raise current.usage_error("audit.size", text=text)
    return size_bytes


def audit_document(report: AuditReport) -> AuditRun:
    """Return what `audit run` says of a run."""
    return {
        "checked": report.checked,
        "bytes": report.bytes_read,
        "damaged": report.damaged,
        "repaired": report.repaired,
        "lost": report.lost,
        "unreachable": report.unreachable,
        "settled": report.settled,
        "left": report.left,
        "not_checked": report.not_checked,
        "seconds": round(report.seconds, 3),
        "findings": [_finding(number, finding) for number, finding in enumerate(report.findings, 1)],
    }


def audit_lines(report: AuditReport, *, with_findings: bool = True) -> Iterator[str]:
    """Tell people the same."""
    yield current.say(
        "audit.done",
        checked=report.checked,
        size=size_text(report.bytes_read),
        seconds=report.seconds,
        rate=rate_text(report.bytes_read, report.seconds),
    )
    if report.left:
        yield current.say("audit.left")
    yield from (current.say("audit.not_checked", what=what) for what in report.not_checked)
    if not report.findings and not report.unreachable:
        yield current.say("audit.sound_as_read" if report.not_checked else "audit.sound")
        return
    yield current.say(
        "audit.found",
        findings=len(report.findings),
        damaged=report.damaged,
        repaired=report.repaired,
        lost=report.lost,
        unreachable=report.unreachable,
    )
    if with_findings:
        yield from (_line(number, finding) for number, finding in enumerate(report.findings, 1))
    yield from (current.say("audit.lost", package=package) for package in report.lost_packages)


def _finding(number: int, finding: Finding) -> AuditFinding:
    return {
        "number": number,
        "package": finding.package,
        "shard": finding.shard,
        "volume": finding.volume,
        "kind": finding.kind,
        "subject": finding.subject,
        "detail": finding.detail,
        "cells": finding.cells,
        "repaired": finding.repaired,
    }


def _line(number: int, finding: Finding) -> str:
    what = finding.subject or current.say("audit.shard", shard=finding.shard, package=finding.package)
    kind = toned(finding.kind.value, f"{finding.kind.value:10}")
    text = current.say("audit.finding", volume=finding.volume, what=what, detail=current.told(finding.detail))
    outcome = toned("repaired" if finding.repaired else "failed", current.say(_OUTCOMES[finding.repaired]))
    return f"  {number:4} {kind} {text} [{outcome}]"


_OUTCOMES = {True: "audit.repaired", False: "audit.open"}
