"""`report compliance|verify`: the auditor's bundle, and checking one at home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution

if TYPE_CHECKING:
    from retention.cli.documents.report import ReportCompliance, ReportVerifier, ReportVerify
    from retention.reports.standalone.verdict import Verdict
    from retention.services.compliance.report import MadeReport

_FIRST_YEAR, _LAST_YEAR = 1900, 9998


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Reports that prove themselves.")
    group.callback()(_group)
    group.command("compliance")(compliance)
    group.command("verify")(verify)
    group.command("verifier")(verifier)
    app.add_typer(group, name="report")


def _group() -> None:
    """Reports that prove themselves."""


@command("report compliance")
def compliance(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder for the report.")],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="The period's first day (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="The period's last day.")] = None,
    year: Annotated[int | None, typer.Option(metavar="YEAR", help="A whole year instead.")] = None,
    institution: Annotated[str | None, typer.Option(metavar="NAME", help="Only this institution.")] = None,
) -> Result[ReportCompliance]:
    """Write the auditor's bundle of a period: PDF, its JSON twin, tables, proofs, signature."""
    first, last = _period(from_, until, year)
    from retention.services.compliance.report import make_report

    with closing(current.open(to_write=True)) as stores:
        require_institution(stores, institution)
        made = make_report(stores, first, last, out, institution=institution, language=current.language)
    data: ReportCompliance = {
        "directory": str(made.folder),
        "files": list(made.files),
        "conclusion": "with_findings" if made.exceptions else "without_findings",
        "exceptions": list(made.exceptions),
        "not_checked": list(made.not_checked),
        "digest": made.digest,
        "timestamped": made.is_timestamped,
        "signing_key": made.signing_key,
    }
    return Result(data, _lines(made))


def _lines(made: MadeReport) -> Iterator[str]:
    yield current.say("report.made", folder=made.folder, files=len(made.files))
    yield current.say("report.with_findings" if made.exceptions else "report.without_findings")
    yield from (f"  {one}" for one in made.exceptions)
    yield current.say("report.not_checked")
    yield from (f"  {one}" for one in made.not_checked)
    yield current.say("report.key", key=made.signing_key)


def _period(from_: str | None, until: str | None, year: int | None) -> tuple[date, date]:
    """Return the first and last day that the options name. Raises UsageError."""
    if (year is None) == (from_ is None and until is None) or (from_ is None) != (until is None):
        raise current.usage_error("report.period")
    if year is not None:
        if not _FIRST_YEAR <= year <= _LAST_YEAR:
            raise current.usage_error("report.no_day", text=year)
        return date(year, 1, 1), date(year, 12, 31)
    return _day(str(from_)), _day(str(until))


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise current.usage_error("report.no_day", text=text) from None
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise current.usage_error("report.no_day", text=text)
    return day


@command("report verify")
def verify(
    bundle: Annotated[Path, typer.Argument(metavar="PATH", help="The report's folder, or an attestation.")],
    trust: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keys and certificates that you had by another way.")
    ] = None,
) -> Result[ReportVerify]:
    """Check a report or an attestation: offline, without an archive. Without --trust the signer is not established."""
    from retention.reports.standalone.notes import NotValidError
    from retention.reports.standalone.verdict import Trusted, read_trust
    from retention.reports.standalone.verify_report import verify as verify_path

    if not bundle.exists():
        raise current.usage_error("report.no_bundle", folder=bundle)
    try:
        trusted = Trusted() if trust is None else read_trust(trust)
    except NotValidError as error:
        raise current.usage_error("report.no_trust", file=trust, reason=error) from error
    verdict = verify_path(bundle, trusted)
    data: ReportVerify = {
        "valid": verdict.valid,
        "trusted": verdict.trusted,
        "signer": verdict.signer,
        "files": verdict.files,
        "entries": verdict.entries,
        "seals": verdict.seals,
        "timestamps": verdict.timestamps,
        "kind": verdict.about,
        "failed_checks": verdict.failed_checks,
        "not_checked": verdict.not_checked,
        "problems": verdict.problems,
    }
    is_good = verdict.valid and verdict.trusted
    return Result(data, _verified(verdict), exit_codes.DONE if is_good else exit_codes.FINDINGS)


def _verified(verdict: Verdict) -> Iterator[str]:
    yield from (current.say("report.problem", problem=problem) for problem in verdict.problems)
    if not verdict.valid:
        return
    yield current.say("report.valid", files=verdict.files, entries=verdict.entries, signer=verdict.signer)
    yield current.say("report.proofs", seals=verdict.seals, timestamps=verdict.timestamps)
    yield from (current.say("report.failed_check", check=one) for one in verdict.failed_checks)
    yield from (current.say("report.unchecked", what=one) for one in verdict.not_checked)
    yield current.say("report.trusted" if verdict.trusted else "report.not_trusted")


@command("report verifier")
def verifier(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The new file.")],
) -> Result[ReportVerifier]:
    """Write the verifier that needs Python alone: one file, for whoever has no retention."""
    from retention.reports.single_file import verifier_text

    try:
        with out.open("xb") as file:
            file.write(verifier_text())
    except FileExistsError:
        raise current.usage_error("report.exists", file=out) from None
    return Result({"file": str(out)}, [current.say("report.written", file=out)])
