"""What a decision rests on, in the words of the evaluation: studies, standing facts, holds.

A header's birth date is a fact somebody typed at a modality: it counts, as declared, where nobody has recorded one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache

from retention.catalog.deciding import PatientToDecide, StudyToDecide
from retention.catalog.fact_records import FactState, RecordedFact
from retention.policy.companions import Companions
from retention.policy.facts import Facts
from retention.policy.query import Query, read_query
from retention.policy.standing import FactRecord, standing
from retention.policy.subject import Fact, Hold, Study, usable_birth_date
from retention.policy.words import Assurance
from retention.services.in_force import Bound

FROM_HEADER = "DICOM"
"""The source of a fact that a study's own header tells."""

ELSEWHERE = "another institution of the entity"
"""How an institution is named where another's decision rests on it: who reads the one is not told of the other."""

_APPROVED = (FactState.STANDING, FactState.SUPERSEDED)
_ATTRIBUTES = ("modality", "body_part", "manufacturer")


@dataclass(frozen=True, slots=True)
class Inputs:
    """One patient as the evaluation sees him or her; `studies` in the order of the catalog's."""

    patient: PatientToDecide
    studies: tuple[Study, ...]
    facts: Facts
    companions: Companions

    def study_at(self, row: int) -> Study:
        """Return the study that the catalog has in a row."""
        places = [place for place, held in enumerate(self.patient.studies) if held.row == row]
        return self.studies[places[0]]


def inputs_of(patient: PatientToDecide, bound: Bound, recorded: Iterable[Fact]) -> Inputs:
    """Return what decisions about a patient's studies rest on; `recorded` are the facts that stand."""
    studies = tuple(study_of(study, bound) for study in patient.studies)
    elsewhere = [study for each in patient.elsewhere for study in each.studies]
    others = [replace(study_of(study, bound), institution=ELSEWHERE) for study in elsewhere]
    visits = _visits_elsewhere(patient, bound, others)
    facts = Facts([*recorded, *_births(patient, bound, recorded), *visits])
    return Inputs(patient, studies, facts, Companions(studies, bound.policies, others))


def _visits_elsewhere(patient: PatientToDecide, bound: Bound, others: Iterable[Study]) -> list[Fact]:
    """Return the visits to other institutions of the entity: what was recorded there, and the studies made there.

    Nothing is left of whose they are, nor where they are known from: only the days count, and may be told here.
    """
    entity = bound.institution.spec.entity
    recorded = [
        fact
        for each in patient.elsewhere
        for fact in standing(map(record_of, each.recorded))
        if fact.kind == "last_visit"
    ]
    told = [Fact("last_visit", f.from_on, f.to_on, f.assurance, "", ELSEWHERE, entity) for f in recorded]
    made = [
        Fact("last_visit", study.study_on, None, Assurance.DECLARED, "", ELSEWHERE, entity)
        for study in others
        if study.study_on is not None
    ]
    return [*told, *made]


def study_of(held: StudyToDecide, bound: Bound) -> Study:
    """Return a study with the attributes that policies match on."""
    spec = bound.institution.spec
    words = {
        name: [series[position] for series in held.series] or None
        for position, name in enumerate(_ATTRIBUTES)
    }
    return Study.of(
        held.study_date,
        ingested_on=bound.day(held.received_at),
        institution=spec.name,
        entity=spec.entity,
        attributes={
            **words,
            "sop_class": held.sop_classes or None,
            "department": held.department,
            "study_description": held.description,
        },
    )


def _births(patient: PatientToDecide, bound: Bound, recorded: Iterable[Fact]) -> list[Fact]:
    if any(fact.kind == "birth" for fact in recorded):
        return []
    days: set[date] = set()
    for study in patient.studies:
        born_on = usable_birth_date(study.birth_date, bound.day(study.received_at))
        if born_on is not None:
            days.add(born_on)
    return [Fact("birth", born_on, source=FROM_HEADER) for born_on in sorted(days)]


def facts_of(patients: Iterable[PatientToDecide], known_at: datetime | None = None) -> list[list[Fact]]:
    """Return for each patient the facts that stand, or stood with what was known at an instant."""
    return [standing(map(record_of, patient.recorded), known_at) for patient in patients]


def record_of(recorded: RecordedFact) -> FactRecord:
    """Return what was recorded in the words of the evaluation."""
    said = recorded.statement
    fact = Fact(said.kind, said.from_on, said.to_on, Assurance(said.assurance), said.source)
    return FactRecord(
        said.record_id,
        None if said.withdraws else fact,
        recorded.recorded.by,
        recorded.recorded.at,
        frozenset(said.supersedes),
        said.needs_approval,
        recorded.decided_at if recorded.state in _APPROVED else None,
    )


def holds_on(held: StudyToDecide, study: Study, facts: Facts, bound: Bound) -> list[Hold]:
    """Return the holds that cover a study: by its name, its patient, or a query that may mean it."""
    institution = bound.institution.institution_id
    covering = [
        *bound.holds.by_study.get(held.row, ()),
        *(
            record
            for record in bound.holds.by_query.get(institution, ())
            if _query(record.query or "").may_cover(study, facts)
        ),
    ]
    return [Hold(each.hold_id, each.owner, each.reason, each.reassess_on) for each in covering]


@lru_cache(maxsize=256)
def _query(text: str) -> Query:
    return read_query(text)
