"""The report's section on fixity: how far audits are, how each check was made, every incident. Pure.

Late or unchecked is said as loudly as what passed: what was due and was not read is an exception of the report, and so
is a catalog whose account of audits is not the journal's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retention.catalog.figures import Checked
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.services.audit.coverage import Coverage, TierCoverage
from retention.services.compliance.history import Audits

AGES_DAYS = (30, 90, 180, 365)
MAX_LISTED = 200


@dataclass(frozen=True, slots=True)
class Auditing:
    """How far audits are in the whole archive when the report is made, and where the catalog's account is not the
    journal's."""

    coverage: Coverage
    disagreements: Sequence[str]


def fixity_section(audits: Audits, checked: Sequence[Checked], auditing: Auditing) -> dict[str, JsonValue]:
    """Return the section."""
    coverage = auditing.coverage
    return {
        "ages_days": list(AGES_DAYS),
        "tiers": [
            {
                "tier": row.tier,
                "packages": row.packages,
                "by_age": list(row.by_age),
                "lost": row.lost,
                "oldest_check": format_instant(row.oldest_at),
            }
            for row in checked
        ],
        "coverage": [_covered(tier) for tier in coverage.tiers],
        "share_in_time_percent": int(coverage.share * 100),
        "last_audit": None if coverage.last_audit_at is None else format_instant(coverage.last_audit_at),
        "alarms": [alarm.value for alarm in coverage.alarms],
        "disagreements": list(auditing.disagreements),
        "methods": [
            {
                "tier": tier,
                "method": method,
                "packages": sums.packages,
                "shards": sums.shards,
                "bytes": sums.read_bytes,
                "not_sound": sums.not_sound,
            }
            for (tier, method), sums in sorted(audits.methods.items())
        ],
        "records": audits.entries,
        "packages_checked": audits.packages,
        "shards_read": audits.shards_read,
        "findings": audits.findings,
        "repaired": audits.repaired,
        "lost": audits.lost,
        "unreadable_records": audits.unreadable_records,
        "incidents": [
            {
                "at": format_instant(incident.at),
                "entry": incident.seq,
                "kind": incident.finding.kind.value,
                "volume": incident.finding.volume,
                "package": incident.finding.package,
                "shard": incident.finding.shard,
                "subject": incident.finding.subject,
                "repaired": incident.finding.repaired,
            }
            for incident in audits.incidents[:MAX_LISTED]
        ],
        "incidents_not_listed": max(0, audits.findings - MAX_LISTED),
    }


def audit_exceptions(auditing: Auditing) -> dict[str, int]:
    """Return what of the audits an auditor must not overlook."""
    alarms = {f"audits_{alarm.value}": 1 for alarm in auditing.coverage.alarms}
    return {
        **alarms,
        "audits_late": auditing.coverage.late,
        "audits_disagree": len(auditing.disagreements),
    }


def _covered(tier: TierCoverage) -> dict[str, JsonValue]:
    full, forecast = tier.asked.full, tier.forecast
    return {
        "tier": tier.asked.tier,
        "packages": tier.packages,
        "asked_days": None if full is None else full.days,
        "done": tier.done,
        "due": tier.due,
        "late": tier.late,
        "unsampled": tier.unsampled,
        "sampled": None if tier.sample is None else tier.sample.done,
        "sample": None if tier.sample is None else tier.sample.packages,
        "round_takes_days": None if forecast is None else int(forecast.days) + 1,
    }
