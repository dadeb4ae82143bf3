"""`audit run`: read back, verify, repair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution, require_tier
from retention.cli.text import rate_text, size_text, toned

if TYPE_CHECKING:
    from retention.cli.documents.audit import AuditFinding, AuditRun
    from retention.model.findings import Finding
    from retention.services.audit.audit import AuditReport


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Fixity audits.")
    group.callback()(_group)
    group.command("run")(run)
    app.add_typer(group, name="audit")


def _group() -> None:
    """Fixity audits: read back, verify, repair."""


@command("audit run")
def run(
    everything: Annotated[bool, typer.Option("--all", help="Every package.")] = False,
    tier: Annotated[str | None, typer.Option(metavar="TIER", help="Every package on this tier.")] = None,
    study: Annotated[str | None, typer.Option(metavar="UID", help="One study's packages.")] = None,
    institution: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose study, if several hold it.")
    ] = None,
    no_repair: Annotated[bool, typer.Option("--no-repair", help="Only look.")] = False,
) -> Result[AuditRun]:
    """Read back and verify every cell of the chosen packages; repair what can be repaired."""
    if sum((everything, tier is not None, study is not None)) != 1:
        raise current.usage_error("audit.which")
    if institution is not None and study is None:
        raise current.usage_error("audit.whose")
    from retention.services.audit.selection import Selection, audit

    selection = Selection(tier=tier, study_uid=study, institution=institution)
    with closing(current.open(to_write=True)) as stores:
        require_tier(stores, tier)
        require_institution(stores, institution)
        report = audit(stores, selection, current.progress(), repair=not no_repair)
    has_findings = report.findings or report.unreachable
    exit_code = exit_codes.FINDINGS if has_findings else exit_codes.DONE
    return Result(audit_document(report), audit_lines(report), exit_code)


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
    text = current.say("audit.finding", volume=finding.volume, what=what, detail=finding.detail)
    outcome = toned("repaired" if finding.repaired else "failed", current.say(_OUTCOMES[finding.repaired]))
    return f"  {number:4} {kind} {text} [{outcome}]"


_OUTCOMES = {True: "audit.repaired", False: "audit.open"}
