"""`fact record|import|withdraw|attribute|merge|split|list`: what is known of patients, and whose studies are whose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.commands.fact_rows import (
    done_lines,
    effect_document,
    effect_lines,
    fact_row,
    identity_row,
    list_lines,
    reason_text,
    recorded_document,
    refused_document,
    refused_lines,
)
from retention.cli.days import day_of
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_institution
from retention.cli.output import remark
from retention.cli.paging import After, Limit, page
from retention.cli.text import harmless

if TYPE_CHECKING:
    from retention.cli.documents.fact import FactAttributed, FactList, FactRecorded
    from retention.model.identifiers import InstitutionId
    from retention.model.patient import PatientIdentity
    from retention.services.facts.attribute import Attribution
    from retention.services.facts.hl7_messages import Wording
    from retention.services.facts.reading import ReadFile
    from retention.services.facts.saying import Saying
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
        lines = [*done_lines(done), *_stranger_lines(stores, named)]
    return Result(recorded_document(done.weighed, done), lines)


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
    return Result(recorded_document(done.weighed, done), list(done_lines(done)))


@command("fact import")
def import_facts(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON Lines or HL7 v2 messages.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would change.")] = False,
    institution: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose messages these are (HL7).")
    ] = None,
    assurance: Annotated[str, typer.Option(metavar="HOW", help="declared or verified (HL7).")] = "declared",
    no_issuer: Annotated[
        bool, typer.Option("--no-issuer", help="Leave out who assigned an ID (HL7), as the studies do.")
    ] = False,
) -> Result[FactRecorded]:
    """Record the facts of a file, all of them or none; first show what they change."""
    from retention.services.facts.hl7_messages import ReadMessages, is_messages, read_messages
    from retention.services.facts.reading import read_rows
    from retention.services.facts.record import FEEDS
    from retention.services.facts.record import record as record_sayings
    from retention.services.facts.weigh import weigh

    with closing(current.open(to_write=not dry_run)) as stores:
        read: ReadFile
        if is_messages(file):
            read = read_messages(stores, file, _wording(stores, institution, assurance, no_issuer=no_issuer))
        else:
            read = read_rows(stores, file)
        if read.refused:
            return Result(refused_document(read.refused), refused_lines(read.refused), exit_codes.PARTIAL)
        weighed = weigh(stores, read.sayings)
        if dry_run:
            return Result(_counted(recorded_document(weighed, None), read), list(effect_lines(weighed)))
        for line in effect_lines(weighed):
            remark(current, line)
        merged = _merge_all(stores, read)
        seen = {}
        if isinstance(read, ReadMessages) and institution is not None:
            seen = {_owner(stores, institution): read.seen}
        done = record_sayings(stores, read.sayings, seen, FEEDS)
    data = _counted(recorded_document(done.weighed, done), read)
    data["approvals"] += merged
    return Result(data, list(done_lines(done)))


def _wording(stores: Stores, institution: str | None, assurance: str, *, no_issuer: bool) -> Wording:
    from retention.policy.words import Assurance
    from retention.services.facts.hl7_messages import Wording

    if institution is None:
        raise current.usage_error("facts.whose")
    if assurance not in list(Assurance):
        raise current.usage_error("facts.assurance", text=assurance)
    return Wording(institution, _owner(stores, institution), Assurance(assurance), not no_issuer)


def _owner(stores: Stores, institution: str) -> InstitutionId:
    from retention.services.institutions import find

    return find(stores, institution).institution_id


def _merge_all(stores: Stores, read: ReadFile) -> list[str]:
    """Record the merges that messages tell; return the requests that wait for a second person."""
    from retention.services.facts.attribute import merge_told
    from retention.services.facts.hl7_messages import ReadMessages

    merges = read.merges if isinstance(read, ReadMessages) else []
    done = [merge_told(stores, gone, into, "HL7 A40") for gone, into in merges]
    return [each.batch for each in done if each is not None and each.batch is not None]


def _counted(data: FactRecorded, read: ReadFile) -> FactRecorded:
    from retention.services.facts.hl7_messages import ReadMessages

    if isinstance(read, ReadMessages):
        data["merged"], data["ignored"] = len(read.merges), read.ignored
    return data


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
        rows = [fact_row(fact) for fact in page(facts, lambda fact: fact.statement.record_id, limit, None)]
        identities = stores.catalog.facts.pending_attributions() if pending and after is None else []
    rows += [identity_row(each) for each in identities]
    waiting = sum(row["state"] == "pending" for row in rows)
    data: FactList = {"facts": len(rows), "pending": waiting, "items": rows}
    return Result(data, list_lines(rows), rows="items")


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
        raise UsageError("; ".join(map(reason_text, wrong)), hint=current.say("facts.list_hint"))


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
        "effect": effect_document(done.tally),
        "approvals": [] if done.batch is None else [done.batch],
        "studies": held,
    }
    if done.batch is None:
        lines = [current.say("facts.attributed", patient=harmless(patient.written), studies=held)]
    else:
        lines = [current.say("facts.pending", count=1, approvals=done.batch)]
    return Result(data, lines)
