"""What proposals would change: how many studies and bytes change fate, counted a patient at a time.

The invariant: nothing is written, and memory does not grow with the archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from retention.catalog.deciding import Deciding, PatientToDecide
from retention.catalog.policy_records import RETENTION_POLICY, STORAGE_PLAN, EnactmentRecord
from retention.model.identifiers import InstitutionId
from retention.policy.companions import Companions
from retention.policy.documents import RetentionPolicy
from retention.policy.fates import Tally
from retention.policy.plan import Stay
from retention.services.decision_inputs import facts_of, inputs_of
from retention.services.decisions import judge
from retention.services.in_force import Bound, bound
from retention.services.patients_read import with_elsewhere
from retention.services.policy_changes import Proposal
from retention.services.progress import Progress
from retention.services.stores import Stores

PAGE = 1000


@dataclass(slots=True)
class DiffReport:
    """What proposals change. `moved_studies` and `moved_bytes`: those that a plan would send elsewhere, or at another
    time."""

    proposals: tuple[Proposal, ...]
    institutions: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)
    moved_studies: int = 0
    moved_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Alternative:
    """What binds an institution, what would, and the day on which the two are compared."""

    before: Bound
    after: Bound
    at: date


def diff(
    stores: Stores, proposals: Sequence[Proposal], progress: Progress, *, as_if_listed_by: str | None = None
) -> DiffReport:
    """Count what would change if proposals were in force, loosenings approved.

    `as_if_listed_by`: an institution that is to list the policies among them. Compared is the day on which the last of
    them is effective. Raises UsageError for an unknown institution.
    """
    changing = [proposal for proposal in proposals if not proposal.is_unchanged]
    now = stores.clock.now()
    with stores.catalog.deciding() as step:
        alternatives = _alternatives(step, proposals if as_if_listed_by else changing, now, as_if_listed_by)
    names = tuple(alternative.before.institution.spec.name for alternative in alternatives.values())
    report = DiffReport(tuple(proposals), names)
    progress.begin("diff", None)
    try:
        for institution, alternative in alternatives.items():
            for patients in _pages(stores, institution, alternative):
                for patient in patients:
                    _count(report, patient, alternative)
                progress.advance(len(patients))
    finally:
        progress.end()
    return report


def _alternatives(
    step: Deciding, proposals: Sequence[Proposal], now: datetime, as_if_listed_by: str | None
) -> dict[InstitutionId, _Alternative]:
    institutions, enactments, in_force = step.institutions(), step.enactments(), step.in_force()
    holds = step.holds()
    current = bound(institutions, enactments, in_force, holds)
    policies = [each for each in proposals if each.record.kind == RETENTION_POLICY]
    plans = {each.record.name: each.record for each in proposals if each.record.kind == STORAGE_PLAN}
    planned = [
        replace(force, policy=plans.get(force.policy.name, force.policy))
        if force.policy.kind == STORAGE_PLAN
        else force
        for force in in_force
    ]
    found: dict[InstitutionId, _Alternative] = {}
    for record in institutions:
        name = record.institution_id
        listed = set(record.spec.policies)
        joining = as_if_listed_by == record.spec.name
        bound_to = [each for each in policies if each.record.name in listed or joining]
        if not bound_to and record.spec.plan not in plans:
            continue
        then = enactments.get(name, [])
        for proposal in bound_to:
            then = _succeeded(then, proposal, now)
        after = bound([record], {name: then}, planned, holds)[name]
        effective = [
            each.loaded.document.effective_on
            for each in bound_to
            if isinstance(each.loaded.document, RetentionPolicy)
        ]
        today = current[name].day(now)
        found[name] = _Alternative(current[name], after, max([today, *effective]))
    return found


def _succeeded(
    enactments: Sequence[EnactmentRecord], proposal: Proposal, now: datetime
) -> list[EnactmentRecord]:
    """Return what would bind an institution if a proposal took the place of the version before, or joined the list."""
    document = proposal.loaded.document
    effective_on = document.effective_on if isinstance(document, RetentionPolicy) else None
    new = EnactmentRecord(proposal.record, now, None, None, is_retired=False)
    current: list[EnactmentRecord] = []
    ended: list[EnactmentRecord] = []
    is_placed = False
    for record in enactments:
        if record.until_at is None and record.policy.name == proposal.record.name:
            current.append(new)
            is_placed = True
            if record.policy.digest != proposal.record.digest:
                ended.append(
                    replace(record, until_at=now, succeeded_on=effective_on, is_retired=proposal.is_loosening)
                )
        else:
            (current if record.until_at is None else ended).append(record)
    return [*current, *([] if is_placed else [new]), *ended]


def _pages(
    stores: Stores, institution: InstitutionId, alternative: _Alternative
) -> Iterator[list[PatientToDecide]]:
    bound = alternative.after if alternative.after.policies.look_at_entity else alternative.before
    for lane in (Deciding.patients_after, Deciding.nameless_after):
        after: int | None = 0
        while after is not None:
            with stores.catalog.deciding() as step:
                patients, after = lane(step, institution, after, PAGE)
                patients = with_elsewhere(step, {institution: bound}, patients)
            yield patients


def _count(report: DiffReport, patient: PatientToDecide, alternative: _Alternative) -> None:
    (facts,) = facts_of([patient])
    before, after, at = alternative.before, alternative.after, alternative.at
    inputs = inputs_of(patient, before, facts)
    same = after.policies.look_at_followers == before.policies.look_at_followers
    then = (
        inputs
        if same
        else replace(
            inputs, companions=Companions(inputs.studies, after.policies, inputs.companions.elsewhere)
        )
    )
    for old, new in zip(judge(inputs, before, at), judge(then, after, at), strict=True):
        size_bytes = old.study.bytes_received
        report.tally.add(old.decision, new.decision, size_bytes)
        if _course(old.stay) != _course(new.stay):
            report.moved_studies += 1
            report.moved_bytes += size_bytes


def _course(stay: Stay | None) -> tuple[object, ...]:
    return () if stay is None else (stay.tier, stay.next_tier, stay.move_on)
