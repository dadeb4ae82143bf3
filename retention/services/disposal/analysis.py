"""Analysing an institution's studies: what the policies would destroy on a day, and why the rest stays. No effect.

The invariant: the same analysis makes a proposal and, once more, decides at its execution; nothing is destroyed on the
strength of an earlier look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from retention.catalog.deciding import Deciding, StudyToDecide
from retention.catalog.disposal_records import ProposedStudy
from retention.model.identifiers import InstitutionId
from retention.policy.decision import Decision
from retention.policy.disposal import Analysis, Outcome, Terms, Why, analyse, terms_for
from retention.services.decision_inputs import facts_of, inputs_of
from retention.services.decisions import governed, judge
from retention.services.events import Names
from retention.services.in_force import Bound
from retention.services.patients_read import patients_of
from retention.services.stores import Stores

PAGE = 500


@dataclass(frozen=True, slots=True)
class Analysed:
    """One study, what the analysis says of it, and under what terms it might be destroyed."""

    held: StudyToDecide
    analysis: Analysis
    terms: Terms

    @property
    def decision(self) -> Decision:
        return self.analysis.decision

    def proposed(self, names: Names) -> ProposedStudy:
        return ProposedStudy(
            names.study(self.held.institution_id, self.held.study_uid),
            self.analysis.outcome.value,
            self.analysis.why.value,
            self.decision.keep_until,
            self.decision.winner,
        )


@dataclass(slots=True)
class Summary:
    """How many studies there are of each outcome; those that are not simply kept, and those to be destroyed."""

    counts: Counter[str] = field(default_factory=Counter)
    notable: list[ProposedStudy] = field(default_factory=list)
    doomed: list[Analysed] = field(default_factory=list)


def analyse_institution(stores: Stores, institution: InstitutionId, at: date | None) -> Summary:
    """Analyse every study of an institution, on a day of its calendar (None: today)."""
    names = Names(stores.keyring.index_key.secret)
    summary = Summary()
    after = 0
    while page := stores.catalog.disposals.study_page(institution, after, PAGE):
        rows = [row for row, _ in page]
        with stores.catalog.deciding() as step:
            for one in analyse_rows(stores, step, institution, rows, at):
                summary.counts[one.analysis.outcome.value] += 1
                if one.analysis.outcome is Outcome.KEEP:
                    continue
                summary.notable.append(one.proposed(names))
                if one.analysis.outcome is Outcome.DESTROY:
                    summary.doomed.append(one)
        after = rows[-1]
    return summary


def analyse_rows(
    stores: Stores, step: Deciding, institution: InstitutionId, rows: Sequence[int], at: date | None
) -> Iterator[Analysed]:
    """Yield what is said of these studies of an institution (rows of the catalog)."""
    bounds = governed(step)
    binding = bounds[institution]
    day = binding.day(stores.clock.now()) if at is None else at
    patients = [
        patient for patient in patients_of(step, bounds, rows) if patient.institution_id == institution
    ]
    wanted = frozenset(rows)
    for patient, facts in zip(patients, facts_of(patients), strict=True):
        for judged in judge(inputs_of(patient, binding, facts), binding, day, wanted):
            analysis = analyse(judged.decision, None)
            if analysis.why is Why.LAST_VISIT_UNCONFIRMED:
                analysis = analyse(judged.decision, _visit_confirmed_on(stores, binding, judged.study))
            yield Analysed(judged.study, analysis, terms_for(judged.decision, binding.policies))


def _visit_confirmed_on(stores: Stores, binding: Bound, study: StudyToDecide) -> date | None:
    facts = stores.catalog.facts
    patient = facts.patient_of(study.study_uid, binding.institution.spec.name)
    return None if patient is None else facts.visit_confirmed_on(patient)
