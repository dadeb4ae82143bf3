"""`fact record|import|withdraw|attribute|merge|split|list`: what is known of patients, and whose studies are whose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.days import day_of
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution
from retention.cli.output import remark
from retention.cli.paging import After, Limit, page
from retention.cli.text import harmless, table_lines
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from retention.catalog.fact_records import RecordedAttribution, RecordedFact
    from retention.cli.documents.fact import FactAttributed, FactEffect, FactList, FactRecorded, FactRow
    from retention.model.patient import PatientIdentity
    from retention.policy.fates import Tally
    from retention.services.facts.attribute import Attribution
    from retention.services.facts.reading import Refused
    from retention.services.facts.record import Done
    from retention.services.facts.saying import Objection, Saying
    from retention.services.facts.weigh import Weighed
    from retention.services.stores import Stores

Institution = Annotated[str, typer.Option(metavar="NAME", help="Whose patient it is.")]
Patient = Annotated[str, typer.Option(metavar="ID[^ISSUER]", help="The Patient ID, and who issued it.")]
Source = Annotated[str, typer.Option(metavar="TEXT", help="Where it is known from.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What is known of patients, and whose a study is.")
    group.command("record")(record)
    group.command("import")(import_facts)
    group.command("withdraw")(withdraw)
    group.command("attribute")(attribute)
    group.command("merge")(merge)
    group.command("split")(split)
    group.command("list")(list_facts)
    app.add_typer(group, name="fact")


@command("fact record")
def record(
    institution: Institution,
    patient: Patient,
    source: Source,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="birth, death, last_visit, discharge …")],
    date: Annotated[
        str | None, typer.Argument(metavar="DATE", help="The day, or the first day of a period.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="The last day of a period.")] = None,
    assurance: Annotated[str, typer.Option(metavar="HOW", help="declared or verified.")] = "declared",
    undated: Annotated[bool, typer.Option("--undated", help="Nobody knows when.")] = False,
    supersedes: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A fact it takes the place of (repeat).")
    ] = None,
) -> Result[FactRecorded]:
    """Record what is known of a patient."""
    from retention.policy.words import Assurance
    from retention.services.facts.record import record as record_sayings
    from retention.services.facts.saying import Saying

    if (date is None) != undated:
        raise current.usage_error("facts.date")
    if assurance not in list(Assurance):
        raise current.usage_error("facts.assurance", text=assurance)
    days = [None if text is None else day_of(text) for text in (date, until)]
    with closing(current.open(to_write=True)) as stores:
        named = _patient(stores, institution, patient)
        corrected = tuple(_superseded(stores, named, each) for each in supersedes or ())
        saying = Saying(named, kind, days[0], days[1], source.strip(), Assurance(assurance), corrected)
        _require_sound(stores, institution, saying)
        done = record_sayings(stores, [saying])
        lines = [*_done_lines(done), *_stranger_lines(stores, named)]
    return Result(_document(done.weighed, done), lines)


@command("fact withdraw")
def withdraw(
    fact: Annotated[str, typer.Argument(metavar="ID", help="As `fact list` shows it.")],
    source: Source,
) -> Result[FactRecorded]:
    """Record that a fact is wrong, with nothing in its place."""
    from retention.policy.words import Assurance
    from retention.services.facts.record import record as record_sayings
    from retention.services.facts.saying import Saying

    with closing(current.open(to_write=True)) as stores:
        wrong = stores.catalog.facts.find(fact)
        said = wrong.statement
        saying = Saying(
            wrong.patient, said.kind, None, None, source.strip(), Assurance.DECLARED, (said.record_id,), True
        )
        _require_sound(stores, wrong.institution, saying)
        done = record_sayings(stores, [saying])
    return Result(_document(done.weighed, done), list(_done_lines(done)))


@command("fact import")
def import_facts(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON Lines or HL7 v2 messages.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would change.")] = False,
) -> Result[FactRecorded]:
    """Record the facts of a file, all of them or none; first show what they change."""
    from retention.services.facts.reading import read_rows
    from retention.services.facts.record import record as record_sayings
    from retention.services.facts.weigh import weigh

    with closing(current.open(to_write=not dry_run)) as stores:
        read = read_rows(stores, file)
        if read.refused:
            return Result(_refused(read.refused), _refused_lines(read.refused), exit_codes.PARTIAL)
        weighed = weigh(stores, read.sayings)
        if dry_run:
            return Result(_document(weighed, None), list(_effect_lines(weighed)))
        for line in _effect_lines(weighed):
            remark(current, line)
        done = record_sayings(stores, read.sayings)
    return Result(_document(done.weighed, done), list(_done_lines(done)))


@command("fact attribute")
def attribute(
    institution: Institution,
    study: Annotated[str, typer.Option(metavar="UID", help="The Study Instance UID.")],
    patient: Patient,
    source: Source,
) -> Result[FactAttributed]:
    """Record that a study belongs to a patient, whatever its header says."""
    from retention.services.facts.attribute import study_is_of

    with closing(current.open(to_write=True)) as stores:
        named = _patient(stores, institution, patient)
        return _attributed(stores, named, study_is_of(stores, study, named, source.strip()))


@command("fact merge")
def merge(
    institution: Institution,
    patient: Patient,
    into: Annotated[str, typer.Option(metavar="ID[^ISSUER]", help="The patient it is the same as.")],
    source: Source,
) -> Result[FactAttributed]:
    """Record that two patients are the same person."""
    from retention.services.facts.attribute import merge as merge_patients

    with closing(current.open(to_write=True)) as stores:
        here, there = (_patient(stores, institution, each) for each in (patient, into))
        return _attributed(stores, there, merge_patients(stores, here, there, source.strip()))


@command("fact split")
def split(institution: Institution, patient: Patient, source: Source) -> Result[FactAttributed]:
    """Record that a patient that was merged into another is somebody else after all."""
    from retention.services.facts.attribute import split as split_patient

    with closing(current.open(to_write=True)) as stores:
        named = _patient(stores, institution, patient)
        return _attributed(stores, named, split_patient(stores, named, source.strip()))


@command("fact list")
def list_facts(
    institution: Annotated[str | None, typer.Option(metavar="NAME", help="Only this institution's.")] = None,
    patient: Annotated[str | None, typer.Option(metavar="ID[^ISSUER]", help="Only this patient's.")] = None,
    pending: Annotated[bool, typer.Option("--pending", help="Only what waits for a second person.")] = False,
    limit: Limit = None,
    after: After = None,
) -> Result[FactList]:
    """List what was recorded about patients, and what became of it."""
    from retention.model.patient import split_patient

    with closing(current.open()) as stores:
        require_institution(stores, institution)
        named = None if patient is None else split_patient(patient)
        facts = stores.catalog.facts.recorded(
            institution=institution, patient=named, is_pending=pending, after=after
        )
        rows = [_row(fact) for fact in page(facts, lambda fact: fact.statement.record_id, limit, None)]
        identities = stores.catalog.facts.pending_attributions() if pending and after is None else []
    rows += [_identity_row(each) for each in identities]
    waiting = sum(row["state"] == "pending" for row in rows)
    data: FactList = {"facts": len(rows), "pending": waiting, "items": rows}
    return Result(data, _list_lines(rows), rows="items")


def _patient(stores: Stores, institution: str, patient: str) -> PatientIdentity:
    from retention.model.patient import PatientIdentity, split_patient
    from retention.services.institutions import find

    patient_id, issuer = split_patient(patient)
    if not patient_id:
        raise current.usage_error("facts.patient")
    return PatientIdentity(find(stores, institution).institution_id, patient_id, issuer)


def _superseded(stores: Stores, patient: PatientIdentity, record_id: str) -> str:
    """Return a record's id. Raises NotFoundError, UsageError for one of somebody else."""
    found = stores.catalog.facts.find(record_id)
    if found.statement.record_id not in {
        each.statement.record_id for each in stores.catalog.facts.of_patient(patient)
    }:
        raise current.usage_error("facts.not_theirs", id=record_id)
    return found.statement.record_id


def _require_sound(stores: Stores, institution: str, saying: Saying) -> None:
    """Raise UsageError that says everything that is wrong with a saying."""
    from retention.model.errors import UsageError
    from retention.services.facts.reading import Checker

    wrong = Checker(stores).check(institution, saying)
    if wrong:
        raise UsageError("; ".join(map(_reason, wrong)), hint=current.say("facts.list_hint"))


def _reason(objection: Objection) -> str:
    return current.say(f"fact_refusal.{objection.key}", **dict(objection.values))


def _effect(tally: Tally) -> FactEffect:
    from retention.policy.fates import Fate

    return {
        "earlier": tally.studies[Fate.EARLIER],
        "later": tally.studies[Fate.LATER],
        "restated": tally.studies[Fate.RESTATED],
        "same": tally.studies[Fate.SAME],
    }


def _document(weighed: Weighed, done: Done | None) -> FactRecorded:
    return {
        "facts": weighed.facts,
        "pending": weighed.pending,
        "unchanged": weighed.unchanged,
        "strangers": weighed.strangers,
        "effect": _effect(weighed.tally),
        "approvals": [] if done is None else list(done.batches),
        "refused": [],
        "recorded": done is not None,
    }


def _refused(refused: Sequence[Refused]) -> FactRecorded:
    return {
        "facts": 0,
        "pending": 0,
        "unchanged": 0,
        "strangers": 0,
        "effect": {"earlier": 0, "later": 0, "restated": 0, "same": 0},
        "approvals": [],
        "refused": [{"line": each.line, "reason": _reason(each.objection)} for each in refused],
        "recorded": False,
    }


def _refused_lines(refused: Sequence[Refused]) -> Iterator[str]:
    for each in refused:
        yield current.say("facts.refused", line=each.line, reason=_reason(each.objection))
    yield current.say("facts.nothing")


def _effect_lines(weighed: Weighed) -> Iterator[str]:
    yield current.say(
        "facts.effect", facts=weighed.facts, unchanged=weighed.unchanged, **_effect(weighed.tally)
    )
    if weighed.strangers:
        yield current.say("facts.strangers", count=weighed.strangers)


def _done_lines(done: Done) -> Iterator[str]:
    weighed = done.weighed
    yield current.say("facts.recorded", facts=weighed.facts - weighed.pending, unchanged=weighed.unchanged)
    if weighed.pending:
        yield current.say("facts.pending", count=weighed.pending, approvals=", ".join(done.batches))
    if weighed.studies:
        yield from list(_effect_lines(weighed))[:1]


def _stranger_lines(stores: Stores, patient: PatientIdentity) -> Iterator[str]:
    """Say when no study of a patient is held, and who else was perhaps meant."""
    known = stores.catalog.facts.patient(patient)
    if known is None or not known.studies:
        yield current.say("facts.stranger", patient=harmless(patient.written))
        for other in stores.catalog.facts.namesakes(patient):
            yield current.say("facts.namesake", patient=harmless(other.written))


def _attributed(stores: Stores, patient: PatientIdentity, done: Attribution) -> Result[FactAttributed]:
    held = len(stores.catalog.facts.studies_of(patient))
    data: FactAttributed = {
        "facts": 1,
        "pending": int(done.statement.needs_approval),
        "effect": _effect(done.tally),
        "approvals": [] if done.batch is None else [done.batch],
        "studies": held,
    }
    if done.batch is None:
        lines = [current.say("facts.attributed", patient=harmless(patient.written), studies=held)]
    else:
        lines = [current.say("facts.pending", count=1, approvals=done.batch)]
    return Result(data, lines)


def _row(fact: RecordedFact) -> FactRow:
    said, recorded = fact.statement, fact.recorded
    return {
        "id": said.record_id,
        "institution": fact.institution,
        "patient_id": fact.patient.patient_id,
        "issuer": fact.patient.issuer or None,
        "kind": said.kind,
        "from": None if said.from_on is None else said.from_on.isoformat(),
        "to": None if said.to_on is None else said.to_on.isoformat(),
        "source": said.source,
        "assurance": "verified" if said.assurance == "verified" else "declared",
        "state": fact.state.value,
        "withdraws": said.withdraws,
        "supersedes": list(said.supersedes),
        "recorded_by": recorded.by,
        "recorded": format_instant(recorded.at),
        "entry": recorded.sequence,
        "decided": None if fact.decided_at is None else format_instant(fact.decided_at),
        "batch": recorded.batch_id,
    }


def _identity_row(fact: RecordedAttribution) -> FactRow:
    said, recorded = fact.statement, fact.recorded
    return {
        "id": said.record_id,
        "institution": fact.institution,
        "patient_id": said.patient.patient_id,
        "issuer": said.patient.issuer or None,
        "kind": "identity",
        "from": None,
        "to": None,
        "source": said.source,
        "assurance": "declared",
        "state": fact.state.value,
        "withdraws": False,
        "supersedes": [],
        "recorded_by": recorded.by,
        "recorded": format_instant(recorded.at),
        "entry": recorded.sequence,
        "decided": None if fact.decided_at is None else format_instant(fact.decided_at),
        "batch": recorded.batch_id,
    }


def _list_lines(rows: Sequence[FactRow]) -> Iterator[str]:
    if not rows:
        yield current.say("facts.none")
        return
    headings = [current.say(f"facts.column_{name}") for name in ("id", "patient", "kind", "days", "state")]
    cells = (
        [
            row["id"][:12],
            harmless(f"{row['institution']}: {row['patient_id']}"),
            row["kind"],
            " … ".join(day for day in (row["from"], row["to"]) if day) or "-",
            row["state"],
        ]
        for row in rows
    )
    yield from table_lines(headings, cells)
