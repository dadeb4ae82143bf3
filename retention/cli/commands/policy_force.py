"""`policy diff|apply|list|show|explain`: policies of an archive, before and while they are in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retention.cli import exit_codes
from retention.cli.commands.policy_files import Paths, language, read_files, said
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution, require_known
from retention.cli.paging import After, Limit, page
from retention.cli.text import harmless, size_text, table_lines, toned

if TYPE_CHECKING:
    from retention.catalog.policy_records import ForceRecord
    from retention.cli.documents.policy_force import (
        PolicyApplied,
        PolicyApply,
        PolicyChange,
        PolicyDiff,
        PolicyExplain,
        PolicyInForce,
        PolicyList,
        PolicyProposal,
        PolicyShow,
    )
    from retention.policy.changes import Change
    from retention.services.explaining import Explained
    from retention.services.policy_changes import Proposal
    from retention.services.policy_diff import DiffReport
    from retention.services.stores import Stores

AllowShorten = Annotated[
    bool, typer.Option("--allow-shorten", help="A record may go earlier, or with less control.")
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")]


def add_to(group: typer.Typer) -> None:
    """Add these to the other commands about policies."""
    group.command("diff")(diff)
    group.command("apply")(apply)
    group.command("list")(list_policies)
    group.command("show")(show)
    group.command("explain")(explain)


@command("policy diff")
def diff(
    paths: Paths,
    institution: Annotated[
        str | None, typer.Option(metavar="NAME", help="As if this institution listed them.")
    ] = None,
) -> Result[PolicyDiff]:
    """What would change if policy files were in force."""
    from retention.services import policy_changes, policy_diff

    files = read_files(paths)
    with closing(current.open()) as stores:
        require_institution(stores, institution)
        proposals = policy_changes.propose(stores, files, language())
        report = policy_diff.diff(stores, proposals, current.progress(), as_if_listed_by=institution)
    return Result(_diff_document(report), _diff_lines(report))


def _diff_document(report: DiffReport) -> PolicyDiff:
    from retention.policy.fates import Fate

    tally = report.tally
    return {
        "policies": [_proposal(proposal) for proposal in report.proposals],
        "loosening": any(proposal.is_loosening for proposal in report.proposals),
        "institutions": list(report.institutions),
        "studies": sum(tally.studies.values()),
        "studies_changed": sum(tally.studies[fate] for fate in Fate if fate is not Fate.SAME),
        "bytes_changed": sum(tally.size_bytes[fate] for fate in Fate if fate is not Fate.SAME),
        "fates": [
            {"fate": fate.value, "studies": tally.studies[fate], "bytes": tally.size_bytes[fate]}
            for fate in Fate
        ],
        "transitions": [
            {"from": before, "to": after, "studies": count}
            for (before, after), count in sorted(tally.transitions.items())
        ],
        "studies_moved": report.moved_studies,
        "bytes_moved": report.moved_bytes,
    }


def _proposal(proposal: Proposal) -> PolicyProposal:
    return {
        "kind": proposal.record.kind,
        "name": proposal.record.name,
        "version": proposal.record.version,
        "digest": proposal.record.digest,
        "replaces": None if proposal.before is None else proposal.before.digest,
        "unchanged": proposal.is_unchanged,
        "loosening": proposal.is_loosening,
        "changes": [change_row(change) for change in proposal.changes],
    }


def change_row(change: Change) -> PolicyChange:
    """Return one difference as documents have it."""
    return {"where": change.where, "text": said(change.text), "loosening": change.is_loosening}


def _proposal_lines(proposal: Proposal) -> Iterator[str]:
    if proposal.is_unchanged:
        yield current.say("policy.unchanged", what=proposal.title)
        return
    yield current.say("policy.changes" if proposal.before else "policy.comes", what=proposal.title)
    yield from change_lines(proposal.changes)


def change_lines(changes: Iterable[Change]) -> Iterator[str]:
    """Tell differences, those that loosen first in the eye."""
    for change in changes:
        mark = toned("warning", current.say("policy.loosens")) if change.is_loosening else " "
        yield f"  {mark} {harmless(said(change.text))}"


def _diff_lines(report: DiffReport) -> Iterator[str]:
    for proposal in report.proposals:
        yield from _proposal_lines(proposal)
    if not report.institutions:
        yield current.say("policy.nobody")
        return
    data = _diff_document(report)
    yield current.say("policy.compared", studies=data["studies"], names=", ".join(report.institutions))
    for row in data["fates"]:
        if row["studies"]:
            label = current.say(f"policy.fate_{row['fate']}")
            yield f"  {label}: {row['studies']}  {size_text(row['bytes'])}"
    for step in data["transitions"]:
        yield f"    {step['from']} → {step['to']}: {step['studies']}"
    if data["studies_moved"]:
        size = size_text(data["bytes_moved"])
        yield current.say("policy.moved", studies=data["studies_moved"], size=size)


@command("policy apply")
def apply(paths: Paths, allow_shorten: AllowShorten = False, reason: Reason = None) -> Result[PolicyApply]:
    """Put policy files in force; loosenings wait for approval."""
    from retention.services import policy_changes
    from retention.services.loosening import Consent

    files = read_files(paths)
    with closing(current.open(to_write=True)) as stores:
        proposals = policy_changes.propose(stores, files, language())
        done = policy_changes.apply(stores, proposals, Consent(allow_shorten, reason), language())
    rows: list[PolicyApplied] = [
        {**_proposal(each.proposal), "in_force": not each.is_pending, "approval": each.approval}
        for each in done
    ]
    lines = [
        line
        for each in done
        for line in (
            *_proposal_lines(each.proposal),
            *([] if each.approval is None else [current.say("policy.pending", approval=each.approval)]),
        )
    ]
    pending = sum(1 for each in done if each.is_pending)
    exit_code = exit_codes.NOT_ALLOWED if pending else exit_codes.DONE
    return Result({"policies": rows, "pending": pending}, lines, exit_code)


@command("policy list")
def list_policies(limit: Limit = None, after: After = None) -> Result[PolicyList]:
    """List policies and plans in force, and whom they bind."""
    with closing(current.open()) as stores:
        rows = [_in_force(stores, force) for force in stores.catalog.policies.in_force()]
    listed = list(page(rows, lambda row: row["name"], limit, after))
    names = ("name", "kind", "version", "since", "binds", "title")
    cells = (
        [
            row["name"],
            row["kind"],
            str(row["version"]),
            row["since"][:10],
            ", ".join(row["institutions"]) or "-",
            row["title"],
        ]
        for row in listed
    )
    lines = table_lines([current.say(f"policy.{name}") for name in names], cells)
    return Result({"policies": listed}, lines, rows="policies")


def _in_force(stores: Stores, force: ForceRecord) -> PolicyInForce:
    from retention.model.clock import format_instant
    from retention.services.in_force import document_of, users_of
    from retention.services.policies import title_of_document

    document = document_of(force.policy)
    review_by: date | None = document.review_by
    return {
        "kind": force.policy.kind,
        "name": force.policy.name,
        "version": force.policy.version,
        "digest": force.policy.digest,
        "title": said(title_of_document(document)),
        "since": format_instant(force.from_at),
        "institutions": users_of(force.policy, stores.catalog.institutions()),
        "review_by": None if review_by is None else review_by.isoformat(),
        "review_overdue": review_by is not None and review_by < stores.clock.now().date(),
    }


@command("policy show")
def show(name: Annotated[str, typer.Argument(metavar="NAME")]) -> Result[PolicyShow]:
    """A policy's text in force, and every version there was."""
    from retention.model.clock import format_instant

    with closing(current.open()) as stores:
        history = stores.catalog.policies.history()
        require_known("policy", name, list(dict.fromkeys(force.policy.name for force in history)))
        mine = [force for force in history if force.policy.name == name]
        force = next(force for force in reversed(mine) if force.until_at is None)
        data: PolicyShow = {
            **_in_force(stores, force),
            "text": force.policy.source,
            "history": [
                {
                    "version": each.policy.version,
                    "digest": each.policy.digest,
                    "from": format_instant(each.from_at),
                    "until": None if each.until_at is None else format_instant(each.until_at),
                    "retired": each.is_retired,
                    "entry": each.sequence,
                }
                for each in mine
            ],
        }
    return Result(data, _show_lines(data))


def _show_lines(data: PolicyShow) -> Iterator[str]:
    yield from (harmless(line) for line in data["text"].splitlines())
    yield ""
    for each in data["history"]:
        until = each["until"] or current.say("policy.today")
        retired = current.say("policy.retired") if each["retired"] else ""
        yield current.say(
            "policy.history",
            version=each["version"],
            since=each["from"][:10],
            until=until[:10],
            digest=each["digest"][:16],
            retired=retired,
        ).rstrip()


@command("policy explain")
def explain(
    uid: Annotated[str, typer.Argument(metavar="UID", help="Its Study Instance UID.")],
    at: Annotated[str | None, typer.Option(metavar="DAY", help="Today's knowledge at that day.")] = None,
    known_at: Annotated[
        str | None, typer.Option(metavar="DAY", help="Only with facts recorded by then.")
    ] = None,
    institution: Annotated[str | None, typer.Option(metavar="NAME", help="Whose study.")] = None,
) -> Result[PolicyExplain]:
    """Why a study is kept, until when, and what comes next."""
    from retention.services.explaining import explain_study

    with closing(current.open()) as stores:
        require_institution(stores, institution)
        day, instant = _day(at), _instant(known_at)
        explained = explain_study(stores, uid, institution, at=day, known_at=instant)
    sentences = _sentences(explained)
    return Result(_explain_document(explained, sentences), [harmless(line) for line in sentences])


def _sentences(explained: Explained) -> list[str]:
    from retention.policy.explain import explain as sentences_of

    lines = [said(text) for text in sentences_of(explained.decision)]
    lines.append(current.say("policy.lies", tier=explained.tier_now or "-"))
    action = explained.next_action
    if action is not None:
        lines.append(current.say("policy.next_action", action=said(action.sentence)))
    return lines


def _explain_document(explained: Explained, sentences: Sequence[str]) -> PolicyExplain:
    from retention.policy.record import decision_record

    record: dict[str, Any] = decision_record(explained.decision)
    stay, action = explained.stay, explained.next_action
    return {
        "study_uid": explained.study_uid,
        "institution": explained.institution,
        "at": record["at"],
        "state": record["state"],
        "reason": record["reason"],
        "keep_until": record["keep_until"],
        "latest_until": record["latest_until"],
        "winner": record["winner"],
        "final_action": record["final_action"],
        "undetermined": record["undetermined"],
        "rules": record["rules"],
        "holds": record["holds"],
        "suspended_by": record["suspended_by"],
        "alerts": record["alerts"],
        "next_change_on": record["next_change_on"],
        "tier_now": explained.tier_now,
        "plan_tier": None if stay is None else stay.tier,
        "next_action": None if action is None else said(action.sentence),
        "next_action_on": None if action is None else action.on.isoformat(),
        "sentences": list(sentences),
    }


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise current.usage_error("study.no_day", text=text) from None


def _instant(text: str | None) -> datetime | None:
    """A day means its end: what was recorded on it was known."""
    from datetime import timedelta

    from retention.model.clock import parse_instant

    if text is None:
        return None
    try:
        instant = parse_instant(text)
    except ValueError:
        raise current.usage_error("study.no_day", text=text) from None
    is_day = len(text) == len("2026-11-24")
    return instant + timedelta(days=1) - timedelta(microseconds=1) if is_day else instant
