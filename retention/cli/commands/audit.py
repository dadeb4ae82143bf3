"""`audit run`: read back, verify, repair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.output import size_text
from retention.model.errors import UsageError

if TYPE_CHECKING:
    from retention.model.findings import Finding


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Fixity audits.", no_args_is_help=True)
    group.callback()(_group)
    group.command("run")(run)
    app.add_typer(group, name="audit")


def _group() -> None:
    """Fixity audits: read back, verify, repair."""


@command("audit run")
def run(
    everything: Annotated[bool, typer.Option("--all", help="Every package.")] = False,
    tier: Annotated[str | None, typer.Option(help="Every package on this tier.")] = None,
    study: Annotated[str | None, typer.Option(metavar="UID", help="One study's packages.")] = None,
    institution: Annotated[str | None, typer.Option(help="Whose study, if several hold it.")] = None,
    no_repair: Annotated[bool, typer.Option("--no-repair", help="Only look.")] = False,
) -> Result:
    """Read back and verify every cell of the chosen packages; repair what can be repaired."""
    if sum((everything, tier is not None, study is not None)) != 1:
        raise UsageError("say what to audit", hint="one of --all, --tier T, --study UID")
    from retention.services.audit.selection import Selection, audit

    selection = Selection(tier=tier, study_uid=study, institution=institution)
    stores = current.open(to_write=True)
    try:
        report = audit(stores, selection, current.progress(), repair=not no_repair)
    finally:
        stores.close()
    data = {
        "checked": report.checked,
        "bytes": report.bytes_read,
        "damaged": report.damaged,
        "repaired": report.repaired,
        "lost": report.lost,
        "unreachable": report.unreachable,
        "settled": report.settled,
        "seconds": round(report.seconds, 3),
        "findings": [_finding(number, finding) for number, finding in enumerate(report.findings, 1)],
    }
    lines = [
        current.say(
            "audit.done",
            checked=report.checked,
            size=size_text(report.bytes_read),
            seconds=report.seconds,
            rate=size_text(int(report.bytes_read / max(report.seconds, 1e-6))),
        ),
        current.say("audit.sound")
        if not report.findings
        else current.say(
            "audit.found",
            findings=len(report.findings),
            damaged=report.damaged,
            repaired=report.repaired,
            lost=report.lost,
            unreachable=report.unreachable,
        ),
    ]
    lines += [_line(number, finding) for number, finding in enumerate(report.findings, 1)]
    lines += [current.say("audit.lost", package=package) for package in report.lost_packages]
    return Result(data, lines, exit_codes.FINDINGS if report.findings else exit_codes.DONE)


def _finding(number: int, finding: Finding) -> dict[str, Any]:
    return {
        "number": number,
        "package": finding.package,
        "shard": finding.shard,
        "volume": finding.volume,
        "kind": finding.kind.value,
        "subject": finding.subject,
        "detail": finding.detail,
        "cells": finding.cells,
        "repaired": finding.repaired,
    }


def _line(number: int, finding: Finding) -> str:
    what = finding.subject or f"shard {finding.shard} of {finding.package}"
    outcome = current.say("audit.repaired") if finding.repaired else current.say("audit.open")
    return f"  {number:4} {finding.kind.value:10} {finding.volume}: {what}: {finding.detail} [{outcome}]"
