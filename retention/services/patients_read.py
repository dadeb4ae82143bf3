"""Patients as decisions need them: bounded, however many studies one has, and with what counts of other institutions.

A number that means nobody ("ANONYMOUS", "0") may have a hundred thousand studies. Unless some rule asks what followed,
the others matter by their extremes alone (`policy.companions`), so of such a patient only these and the ones to be
decided are read whole; the rest passes by as days. Where a rule has the scope `entity`, what its other institutions
have of the same Patient ID and issuer is read the same way. The invariant: a decision is the same as with everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from retention.catalog.deciding import Days, Deciding, Elsewhere, PatientToDecide, StudyToDecide
from retention.model.identifiers import InstitutionId
from retention.policy.companions import extremes
from retention.policy.subject import Study, usable_birth_date
from retention.services.in_force import Bound

WHOLE = 2000
"""A patient with more studies than this is read by extremes."""
WINDOW = 4096
"""How many days are looked at together."""

Bounds = Mapping[InstitutionId, Bound]


def patients_of(step: Deciding, bounds: Bounds, rows: Sequence[int]) -> list[PatientToDecide]:
    """Return the patients these studies belong to, each once: with all their studies, or those that can matter."""
    large = {row: size for row, size in step.sizes_of(rows).items() if size > WHOLE}
    if not large:
        return with_elsewhere(step, bounds, step.patients_of(rows))
    rest, found = set(rows), []
    for patient_row in large:
        mine = step.rows_of(patient_row, rows)
        rest -= set(mine)
        found += _large(step, bounds, patient_row, mine)
    return with_elsewhere(step, bounds, [*found, *step.patients_of(sorted(rest))])


def with_elsewhere(
    step: Deciding, bounds: Bounds, patients: Sequence[PatientToDecide]
) -> list[PatientToDecide]:
    """Return patients with what other institutions of their entity have of them, where some rule counts it."""
    asking = [
        each.row
        for each in patients
        if each.row is not None and bounds[each.institution_id].policies.look_at_entity
    ]
    same = step.same_elsewhere(asking) if asking else {}
    if not same:
        return list(patients)
    facts = step.facts_at([other for others in same.values() for other in others])
    return [
        replace(
            patient,
            elsewhere=tuple(
                Elsewhere(
                    _studies_elsewhere(step, bounds[patient.institution_id], other),
                    tuple(facts.get(other, ())),
                )
                for other in same.get(patient.row or 0, ())
            ),
        )
        for patient in patients
    ]


def _studies_elsewhere(step: Deciding, bound: Bound, patient_row: int) -> tuple[StudyToDecide, ...]:
    chosen = extreme_rows(step.days_of(patient_row), bound)
    if bound.policies.look_at_followers:
        chosen = [days.row for days in step.days_of(patient_row)]
    return tuple(study for patient in step.studies_at(chosen) for study in patient.studies)


def _large(step: Deciding, bounds: Bounds, patient_row: int, wanted: Sequence[int]) -> list[PatientToDecide]:
    (first,) = step.studies_at(wanted[:1])
    bound = bounds[first.institution_id]
    if bound.policies.look_at_followers:  # what followed can be any of them
        return step.patients_of(wanted[:1])
    return step.studies_at(sorted({*wanted, *extreme_rows(step.days_of(patient_row), bound)}))


def extreme_rows(days: Iterable[Days], bound: Bound) -> list[int]:
    """Return the rows of the studies that can be a patient's first or last, or tell the first or last birth date."""
    kept: list[tuple[int, Study]] = []
    births: dict[str, int] = {}
    for one in days:
        received_on = bound.day(one.received_at)
        kept.append((one.row, Study.of(one.study_date, ingested_on=received_on)))
        if len(kept) > WINDOW:
            kept = _extremes(kept)
        born_on = usable_birth_date(one.birth_date, received_on)
        if born_on is not None:
            births.setdefault(born_on.isoformat(), one.row)
            if len(births) > WINDOW:
                births = {day: births[day] for day in (min(births), max(births))}
    told = [births[day] for day in (min(births), max(births))] if births else []
    return [*(row for row, _ in _extremes(kept)), *told]


def _extremes(kept: Sequence[tuple[int, Study]]) -> list[tuple[int, Study]]:
    return [kept[place] for place in extremes([study for _, study in kept])]
