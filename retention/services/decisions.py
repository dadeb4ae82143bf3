"""The decision engine: keeps what the catalog says of every study equal to what policies say today.

Studies are decided in batches of patients, each batch read, evaluated and written in one step of the committer, until
none is stale and none has a day of change behind it. Killed in between, it goes on at the next call; two at once only
share the work. Nothing here decides anything: `retention.policy` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from retention.catalog.catalog import Catalog
from retention.catalog.deciding import Decided, Deciding, StudyToDecide
from retention.model.identifiers import InstitutionId
from retention.policy.decision import Decision
from retention.policy.evaluate import evaluate
from retention.policy.plan import Stay
from retention.services.decision_inputs import Inputs, facts_of, holds_on, inputs_of
from retention.services.in_force import Bound, bound, day_of
from retention.services.patients_read import patients_of
from retention.services.stores import Stores

BATCH = 1000
"""Studies whose patients are decided in one step: how long others wait for the committer."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is decided of one study: by the policies, and (`stay`) by the plan, where there is one."""

    study: StudyToDecide
    decision: Decision
    stay: Stay | None

    @property
    def next_change_on(self) -> date | None:
        """The day on which time alone may change the decision or the tier."""
        days = [self.decision.next_change_on, None if self.stay is None else self.stay.move_on]
        return min((day for day in days if day is not None), default=None)


def refresh(stores: Stores) -> int:
    """Decide again whatever is stale or due; return how many studies that were.

    Raises LockedError when another process keeps the catalog's lock.
    """
    return refresh_catalog(stores.catalog, stores.clock.now())


def refresh_catalog(catalog: Catalog, now: datetime) -> int:
    """As `refresh`, for a catalog that is not in its place yet."""
    governing = _Governing()
    decided, after = 0, 0
    with catalog.deciding() as view:  # most calls find nothing to do, and keep nobody waiting
        is_stale = bool(view.stale(0, 1))
        late = [
            record.institution_id
            for record in view.institutions()
            if view.changing(record.institution_id, day_of(record, now), 1)
        ]
    while is_stale:
        with catalog.transaction() as transaction:
            step = transaction.deciding()
            rows = step.stale(after, BATCH)
            if not rows:
                break
            bounds = governing.at(transaction.position().size, step)
            decided += _decide(step, bounds, rows, now, None)
        after = rows[-1]
    for institution in late:
        decided += _refresh_due(catalog, governing, institution, now)
    return decided


def _refresh_due(catalog: Catalog, governing: _Governing, institution: InstitutionId, now: datetime) -> int:
    decided = 0
    while True:
        with catalog.transaction() as transaction:
            step = transaction.deciding()
            bounds = governing.at(transaction.position().size, step)
            rows = step.changing(institution, bounds[institution].day(now), BATCH)
            if not rows:
                return decided
            decided += _decide(step, bounds, rows, now, frozenset(rows))


class _Governing:
    """What binds institutions, read again only when the journal has grown: nothing else changes it."""

    def __init__(self) -> None:
        self._size = -1
        self._bound: dict[InstitutionId, Bound] = {}

    def at(self, journal_size: int, step: Deciding) -> dict[InstitutionId, Bound]:
        if journal_size != self._size:
            self._bound, self._size = governed(step), journal_size
        return self._bound


def governed(step: Deciding) -> dict[InstitutionId, Bound]:
    """Return what binds every institution, as one step or view of the catalog knows it."""
    return bound(step.institutions(), step.enactments(), step.in_force(), step.holds())


def _decide(
    step: Deciding,
    bounds: dict[InstitutionId, Bound],
    rows: Sequence[int],
    now: datetime,
    only: frozenset[int] | None,
) -> int:
    """Decide about the studies in `only`; without it, about all stale ones of the patients that `rows` belong to."""
    written: list[Decided] = []
    patients = patients_of(step, bounds, rows)
    for patient, facts in zip(patients, facts_of(patients), strict=True):
        binding = bounds[patient.institution_id]
        inputs = inputs_of(patient, binding, facts)
        chosen = [
            study.row for study in patient.studies if (study.is_stale if only is None else study.row in only)
        ]
        written += map(_row, judge(inputs, binding, binding.day(now), frozenset(chosen)))
    step.record(written)
    return len(written)


def judge(inputs: Inputs, binding: Bound, at: date, only: frozenset[int] | None = None) -> Iterator[Judged]:
    """Yield what policies and plan say of a patient's studies (or those in these rows only) on a day."""
    for place, (held, study) in enumerate(zip(inputs.patient.studies, inputs.studies, strict=True)):
        if only is None or held.row in only:
            others = inputs.companions.of(place)
            decision = evaluate(
                study,
                others,
                binding.policies,
                inputs.facts,
                holds_on(held, study, inputs.facts, binding),
                at,
            )
            plan = binding.plan
            stay = None if plan is None else plan.stay(study, at, held.accessed_on, inputs.facts)
            yield Judged(held, decision, stay)


def _row(judged: Judged) -> Decided:
    decision, stay = judged.decision, judged.stay
    return Decided(
        judged.study.row,
        decision.state,
        decision.reason.value,
        len(decision.holds),
        decision.keep_until,
        judged.next_change_on,
        None if stay is None else stay.tier,
        None if stay is None else stay.next_tier,
        None if stay is None else stay.move_on,
    )
