"""What is asked of each tier: by the storage plans in force, and where none speaks of it by archive.yaml's default."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from retention.catalog.tables import SPREAD_BYTES
from retention.model.layout import AuditSpec, TierSpec
from retention.policy.period import Period
from retention.policy.plan import FixityDue, fixity_of
from retention.policy.plan_documents import StoragePlan
from retention.services import decisions
from retention.services.audit.planning import Asked
from retention.services.stores import Stores


def asked_of(stores: Stores) -> list[Asked]:
    """Return what is asked of every tier, in the order of archive.yaml."""
    with stores.catalog.deciding() as view:
        bounds = decisions.governed(view).values()
    plans = {bound.plan.digest: bound.plan.document for bound in bounds if bound.plan is not None}
    return [_asked(tier, plans.values(), stores.settings.audit) for tier in stores.settings.tiers.values()]


def _asked(tier: TierSpec, plans: Iterable[StoragePlan], terms: AuditSpec) -> Asked:
    due = fixity_of(plans, tier.name)
    is_silent = due == FixityDue(None, None, None, is_full_on_recall=False)
    full = _length(due.full_every)
    return Asked(
        tier.name,
        terms.full if is_silent and not tier.is_slow else full,
        due.sample or 0.0,
        _length(due.sample_every),
        is_slow=tier.is_slow,
        spread_bytes=SPREAD_BYTES,
        by_default=is_silent,
    )


def _length(period: Period | None) -> timedelta | None:
    return None if period is None else timedelta(days=period.approximate_days)
