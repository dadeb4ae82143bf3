"""What the storage plans ask for on a day: which studies should lie on another tier than they do.

Nothing is changed by asking. The catalog knows of every study which tier its plan wants, and from when it wants the
next, so only what is due is evaluated, however many studies there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from retention.catalog.deciding import PatientToDecide
from retention.catalog.moving import Held
from retention.model.errors import SettingsError
from retention.model.identifiers import InstitutionId
from retention.model.layout import TierSpec
from retention.policy.subject import Fact
from retention.services import decisions
from retention.services.decision_inputs import facts_of, inputs_of
from retention.services.in_force import Bound
from retention.services.lifecycle.planned import PlannedMove
from retention.services.lifecycle.worth import is_slower
from retention.services.patients_read import patients_of
from retention.services.stores import Stores

BATCH = 500

Bounds = Mapping[InstitutionId, Bound]


def plan_moves(stores: Stores, at: date | None = None) -> Iterator[PlannedMove]:
    """Yield the moves that are due by the day `at` (None: now), each with what is known today.

    Decisions must be fresh (`decisions.refresh`). Raises, when called, SettingsError when a plan in force names a tier
    that archive.yaml does not have.
    """
    with stores.catalog.deciding() as view:
        bounds = decisions.governed(view)
    for bound in bounds.values():
        _require_tiers(bound, stores.settings.tiers)
    return _due(stores, bounds, at)


def _due(stores: Stores, bounds: Bounds, at: date | None) -> Iterator[PlannedMove]:
    seen: set[int] = set()
    rows = _candidates(stores, at)
    while batch := list(islice(rows, BATCH)):
        fresh = [row for row in dict.fromkeys(batch) if row not in seen]
        seen.update(fresh)
        yield from _moves(stores, bounds, fresh, at)


def _candidates(stores: Stores, at: date | None) -> Iterator[int]:
    """Yield the studies that may have to move, some of them several times."""
    tiers, moving = stores.settings.tiers, stores.catalog.moving
    for from_tier in moving.tiers():
        for to_tier, spec in tiers.items():
            if to_tier != from_tier and is_slower(list(tiers), to_tier, from_tier):
                yield from moving.astray(from_tier, to_tier, spec.takes_from_bytes or 0)
    if at is not None:
        yield from moving.moving_by(at)


def _moves(stores: Stores, bounds: Bounds, rows: Sequence[int], at: date | None) -> Iterator[PlannedMove]:
    if not rows:
        return
    wanted = frozenset(rows)
    with stores.catalog.deciding() as view:
        patients = patients_of(view, bounds, rows)
    held = stores.catalog.moving.held_of(rows)
    for patient, recorded in zip(patients, facts_of(patients), strict=True):
        bound = bounds[patient.institution_id]
        day = at or bound.day(stores.clock.now())
        yield from _Asked(stores.settings.tiers, bound, day, held).moves(patient, recorded, wanted)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the moves of one patient's studies rest on."""

    tiers: Mapping[str, TierSpec]
    bound: Bound
    at: date
    held: Mapping[int, Held]

    def moves(
        self, patient: PatientToDecide, recorded: Sequence[Fact], wanted: frozenset[int]
    ) -> Iterator[PlannedMove]:
        inputs = inputs_of(patient, self.bound, recorded)
        for row, study in zip(patient.studies, inputs.studies, strict=True):
            if row.row in wanted and self.bound.plan is not None:
                stay = self.bound.plan.stay(study, self.at, row.accessed_on, inputs.facts)
                for tier, size_bytes in self._leaving(row.row, stay.tier):
                    if self.bound.plan.is_due(study, tier, stay, inputs.facts):
                        name = self.bound.institution.spec.name
                        yield PlannedMove(row.study_uid, name, tier, stay.tier, size_bytes, stay.rule)

    def _leaving(self, row: int, to_tier: str) -> list[tuple[str, int]]:
        """Return from which tiers packages of a study would go to another, and how many bytes."""
        order, at_least = list(self.tiers), self.tiers[to_tier].takes_from_bytes or 0
        sizes: dict[str, int] = {}
        for tier, size_bytes in self.held.get(row, []):
            if tier != to_tier and size_bytes >= at_least and is_slower(order, to_tier, tier):
                sizes[tier] = sizes.get(tier, 0) + size_bytes
        return list(sizes.items())


def _require_tiers(bound: Bound, tiers: Mapping[str, TierSpec]) -> None:
    """Raise SettingsError unless archive.yaml has every tier that the institution's plan names."""
    if bound.plan is None:
        return
    document = bound.plan.document
    rows = [*document.tiers, *(row for entry in document.tiers_for for row in entry.tiers)]
    missing = sorted({row.tier for row in rows} - tiers.keys())
    if missing:
        raise SettingsError(
            f"the plan {document.name} of {bound.institution.spec.name} names {', '.join(missing)},"
            f" and archive.yaml has only the tiers {', '.join(tiers)}",
            hint="give archive.yaml that tier, or put a plan in force that does without it",
        )
