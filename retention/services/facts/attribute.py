"""Whose a study is, and who is the same: facts about identity, weighed by trying them and taking them back.

A patient's studies and facts decide each other's ends, so a wrong merge can shorten as much as a wrong date: then it
waits for a second person. What the header of a study says stays as it was received.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from retention.catalog.deciding import Deciding
from retention.catalog.fact_records import Attributed, AttributionStatement, Recorded
from retention.model.errors import NotFoundError, UsageError
from retention.model.identifiers import new_id
from retention.model.patient import PatientIdentity
from retention.policy.fates import Tally
from retention.services import commit, decisions, people
from retention.services.facts.record import FEEDS, RECORDERS, PatientKeys, writing_of
from retention.services.facts.second import ask
from retention.services.facts.weigh import Ends, Scale, is_any_shorter
from retention.services.patients_read import patients_of
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class Attribution:
    """What was recorded, and what it changes; `batch` is the request that waits for a second person, if any."""

    statement: AttributionStatement
    tally: Tally
    batch: str | None


class _TakenBackError(Exception):
    """Ends the trial: the transaction undoes itself."""


def study_is_of(stores: Stores, study_uid: str, patient: PatientIdentity, source: str) -> Attribution:
    """Record that a study belongs to a patient. Raises NotFoundError when it is not held there, and, as all here,
    RoleMissingError, SignatureMissingError."""
    statement = AttributionStatement(new_id(), Attributed.STUDY, patient, source, study_uid)
    return _record(stores, statement)


def merge_told(
    stores: Stores, patient: PatientIdentity, into: PatientIdentity, source: str
) -> Attribution | None:
    """As `merge`, for another system's word: nobody has to be known here yet, and what is known already is no error."""
    here, there = (stores.catalog.facts.patient(each) for each in (patient, into))
    if here is not None and there is not None and here.same_as == there.same_as:
        return None
    return _record(
        stores, AttributionStatement(new_id(), Attributed.MERGE, patient, source, into=into), FEEDS
    )


def merge(stores: Stores, patient: PatientIdentity, into: PatientIdentity, source: str) -> Attribution:
    """Record that a patient is the same as another. Raises NotFoundError for one that nobody ever named, UsageError
    when they are known to be the same."""
    here, there = _known(stores, patient), _known(stores, into)
    if here == there:
        raise UsageError(
            f"{patient.written} and {into.written} are known to be the same", hint="nothing is left to merge"
        )
    return _record(stores, AttributionStatement(new_id(), Attributed.MERGE, patient, source, into=into))


def split(stores: Stores, patient: PatientIdentity, source: str) -> Attribution:
    """Record that a patient that was merged into another is not the same after all.

    Raises NotFoundError for a patient nobody ever named, UsageError when there was no such merge.
    """
    if _known(stores, patient) == patient:
        raise UsageError(
            f"{patient.written} was not merged into another patient",
            hint="name the one that was merged away, not the one that stayed",
        )
    return _record(stores, AttributionStatement(new_id(), Attributed.SPLIT, patient, source))


def _known(stores: Stores, patient: PatientIdentity) -> PatientIdentity:
    found = stores.catalog.facts.patient(patient)
    if found is None:
        near = ", ".join(each.written for each in stores.catalog.facts.namesakes(patient))
        hint = f"there is {near}" if near else "retention study list shows whose studies are held"
        raise NotFoundError(f"no study and no fact names a patient {patient.written} there", hint=hint)
    return found.same_as


def _record(stores: Stores, statement: AttributionStatement, roles: Sequence[str] = RECORDERS) -> Attribution:
    people.require_role(stores, (statement.into or statement.patient).institution_id, *roles)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        tally, is_shorter = _tried(stores, statement)
        statement = replace(statement, needs_approval=is_shorter)
        owner = statement.into or statement.patient
        keys = PatientKeys(stores)
        keys.prepare([owner])
        institution, entries, batch_id = owner.institution_id, [], new_id()
        if is_shorter:
            entries.append(ask(stores, institution, [statement.record_id], f"identity: {statement.what}"))
            batch_id = entries[0].objects["request"]
        entries.append(writing_of(stores, batch_id).attribute(statement, *keys.of(owner)))
        commit.append_locked(stores, entries, keys.secrets)
    decisions.refresh(stores)
    return Attribution(statement, tally, batch_id if is_shorter else None)


def _tried(stores: Stores, statement: AttributionStatement) -> tuple[Tally, bool]:
    """Return what the statement would change: it is applied, looked at, and taken back."""
    tally, is_shorter = Tally(), False
    now = stores.clock.now()
    with suppress(_TakenBackError), stores.catalog.transaction() as transaction:
        step = transaction.deciding()
        rows = _rows(step, statement)
        before = _ends(step, rows, now)
        transaction.facts.attribute(statement, Recorded(new_id(), "", now, 0))
        after = _ends(step, list(before), now)
        for row, (was, size_bytes) in before.items():
            tally.add(was[0], after[row][0][0], size_bytes)
        is_shorter = is_any_shorter([was for was, _ in before.values()], [after[row][0] for row in before])
        raise _TakenBackError
    return tally, is_shorter


def _rows(step: Deciding, statement: AttributionStatement) -> list[int]:
    """Return the studies of everybody concerned."""
    patients = [statement.patient, *([] if statement.into is None else [statement.into])]
    rows: list[int] = []
    if statement.study_uid is not None:
        rows.append(step.row_of(statement.patient.institution_id, statement.study_uid))
    for patient in filter(None, map(step.patient, patients)):
        rows += [study.row for study in patient.studies]
    return rows


def _ends(step: Deciding, rows: Sequence[int], now: datetime) -> dict[int, tuple[Ends, int]]:
    bounds = decisions.governed(step)
    found: dict[int, tuple[Ends, int]] = {}
    for patient in patients_of(step, bounds, rows):
        ends = Scale(patient, bounds[patient.institution_id], now).before
        found |= {
            study.row: (end, study.bytes_received) for study, end in zip(patient.studies, ends, strict=True)
        }
    return found
