"""What binds each institution: its policies over time, its storage plan, its calendar.

Made from the catalog, where documents are as they were put in force; compiled once and asked many times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from retention.catalog.holds import StandingHolds
from retention.catalog.policy_records import STORAGE_PLAN, EnactmentRecord, ForceRecord, PolicyRecord
from retention.catalog.records import InstitutionRecord
from retention.model.identifiers import InstitutionId
from retention.policy.documents import RetentionPolicy
from retention.policy.enacted import Enacted, PolicySet
from retention.policy.plan import CompiledPlan
from retention.policy.plan_documents import StoragePlan

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bound:
    """An institution and what binds it. `plan` is None where it names none that is in force."""

    institution: InstitutionRecord
    policies: PolicySet
    plan: CompiledPlan | None
    zone: ZoneInfo
    holds: StandingHolds

    def day(self, at: datetime) -> date:
        """Return the calendar day of an instant in the institution's time zone (policy.md, Dates 1)."""
        return at.astimezone(self.zone).date()


def day_of(institution: InstitutionRecord, at: datetime) -> date:
    """Return the calendar day of an instant where an institution is."""
    return at.astimezone(ZoneInfo(institution.spec.timezone)).date()


def bound(
    institutions: Iterable[InstitutionRecord],
    enactments: Mapping[InstitutionId, list[EnactmentRecord]],
    in_force: Iterable[ForceRecord],
    holds: StandingHolds,
) -> dict[InstitutionId, Bound]:
    """Return what binds every institution."""
    plans = {force.policy.name: force.policy for force in in_force if force.policy.kind == STORAGE_PLAN}
    found = {}
    for institution in institutions:
        zone = ZoneInfo(institution.spec.timezone)
        plan = plans.get(institution.spec.plan or "")
        enacted = [enacted_of(record, zone) for record in enactments.get(institution.institution_id, [])]
        found[institution.institution_id] = Bound(
            institution,
            PolicySet(enacted),
            None if plan is None else _compiled_plan(plan),
            zone,
            holds,
        )
    return found


def enacted_of(record: EnactmentRecord, zone: ZoneInfo) -> Enacted:
    """Return a version and the days from when to when it counts.

    One that another version replaced goes on until that one is effective: between the two nothing would count.
    """
    until_on = retired_on = None
    if record.until_at is not None:
        ended_on = record.until_at.astimezone(zone).date()
        succeeded_on = record.succeeded_on or ended_on
        until_on = max(ended_on, succeeded_on - _DAY)
        retired_on = max(ended_on, succeeded_on) if record.is_retired else None
    return Enacted(retention_policy(record.policy), until_on, retired_on)


def retention_policy(record: PolicyRecord) -> RetentionPolicy:
    """Return the document of a version."""
    return _retention_policy(record.document)


def storage_plan(record: PolicyRecord) -> StoragePlan:
    """Return the document of a version of a plan."""
    return StoragePlan.model_validate(json.loads(record.document))


def document_of(record: PolicyRecord) -> RetentionPolicy | StoragePlan:
    """Return the document of a version of either kind."""
    return storage_plan(record) if record.kind == STORAGE_PLAN else retention_policy(record)


def users_of(record: PolicyRecord, institutions: Iterable[InstitutionRecord]) -> list[str]:
    """Return the names of the institutions that list a policy or plan."""
    specs = [institution.spec for institution in institutions]
    if record.kind == STORAGE_PLAN:
        return [spec.name for spec in specs if spec.plan == record.name]
    return [spec.name for spec in specs if record.name in spec.policies]


@lru_cache(maxsize=256)
def _retention_policy(document: str) -> RetentionPolicy:
    return RetentionPolicy.model_validate(json.loads(document))


@lru_cache(maxsize=64)
def _compiled_plan(record: PolicyRecord) -> CompiledPlan:
    return CompiledPlan(storage_plan(record))
