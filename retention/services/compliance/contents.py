"""What a compliance report says, as one JSON document: the PDF and the tables show this and nothing else.

The invariant: a pure function of what was gathered. Late or unchecked is said as loudly as what passed, and what
software alone cannot know is listed as not checked, never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from retention.catalog.figures import Checked, Ending, Flawed, Held, InState, Margin, Placed
from retention.model.canonical import JsonValue
from retention.model.clock import format_instant
from retention.services.compliance.fixity import Auditing, audit_exceptions, fixity_section
from retention.services.compliance.history import Amount, History
from retention.services.compliance.metering import meter_totals, stored_by_month
from retention.services.compliance.sealing import SEAL_EVERY_H, Period, Sealing, sealing_section
from retention.services.compliance.sections import (
    access_section,
    disposals_section,
    journal_section,
    moves_section,
)
from retention.services.volume_care import TierStatus

SCHEMA = "retention/compliance-report/v1"

FLAGS = frozenset(
    {"authority_down", "audits_silent", "audits_too-slow", "audits_behind", "no_audit", "out_of_balance"}
)
"""Exceptions that are so or not so; of the others it matters how many."""

NOT_CHECKED = (
    "events_not_entered",
    "identity_of_people",
    "physical_security",
    "legal_basis",
    "originals_before_arrival",
    "clock",
)
"""What no report of ours can establish; the wording of each is in the report's language."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose report it is, of what, and when."""

    report_id: str
    archive_id: str
    archive_name: str
    program: str
    is_rehearsal: bool
    institution: str | None
    language: str
    from_on: date
    until_on: date
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that a report rests on, as of one moment."""

    identity: Identity
    history: History
    held: Sequence[Held]
    states: Sequence[InState]
    held_instances: int
    held_series: int
    endings: Sequence[Ending]
    ended: int
    ending_soon: int
    checked: Sequence[Checked]
    auditing: Auditing
    flawed: Sequence[Flawed]
    margins: Sequence[Margin]
    placed: Sequence[Placed]
    tiers: Sequence[TierStatus]
    write_debt: int
    sealing: Sealing
    signing_key: str
    meter: Sequence[dict[str, JsonValue]]
    meter_disagreements: int
    policies: Sequence[dict[str, JsonValue]]
    holds: Sequence[dict[str, JsonValue]]
    roles: Mapping[str, int]


def contents(gathered: Gathered) -> dict[str, JsonValue]:
    """Return the report."""
    balance = _balance(gathered)
    exceptions = _exceptions(gathered, balance)
    identity = gathered.identity
    return {
        "schema": SCHEMA,
        "report": identity.report_id,
        "archive": {
            "id": identity.archive_id,
            "name": identity.archive_name,
            "program": identity.program,
            "rehearsal": identity.is_rehearsal,
        },
        "institution": identity.institution,
        "language": identity.language,
        "period": {"from": identity.from_on.isoformat(), "until": identity.until_on.isoformat()},
        "made_at": format_instant(identity.made_at),
        "time_zone": "UTC",
        "conclusion": "with_findings" if exceptions else "without_findings",
        "exceptions": list(exceptions),
        "not_checked": [*_not_checked(gathered), *NOT_CHECKED],
        "policies": list(gathered.policies),
        "policy_changes": list(gathered.history.happened.policies),
        "holdings": _holdings(gathered, balance),
        "fixity": fixity_section(gathered.history.audits, gathered.checked, gathered.auditing),
        "copies": _copies(gathered),
        "retention": _retention(gathered),
        "disposals": disposals_section(gathered.history),
        "moves": moves_section(gathered.history),
        "metering": list(gathered.meter),
        "metering_totals": meter_totals(gathered.meter),
        "journal": journal_section(
            gathered.history, gathered.sealing, gathered.signing_key, _period(identity)
        ),
        "access": access_section(gathered.history, gathered.roles),
    }


def _period(identity: Identity) -> Period:
    first, after = (
        datetime.combine(day, time(), UTC)
        for day in (identity.from_on, identity.until_on + timedelta(days=1))
    )
    return Period(first, after, identity.made_at)


def _balance(gathered: Gathered) -> dict[str, JsonValue]:
    """Opening and what came in, less what left, is the closing; and the catalog must agree with it."""
    history = gathered.history
    closing = Amount()
    closing.add(history.opening)
    closing.add(history.arrived)
    gone = history.gone
    closing.instances -= gone.instances
    closing.bytes_received -= gone.bytes_received
    return {
        "opening": _amount(history.opening, history.studies_before),
        "arrived": _amount(history.arrived, history.studies_arrived),
        "gone": _amount(gone, history.studies_gone),
        "closing": _amount(closing, history.studies_before + history.studies_arrived - history.studies_gone),
        "arrived_again": history.rearrived,
        "catalog_instances": gathered.held_instances,
        "covers_today": gathered.identity.until_on >= gathered.identity.made_at.date(),
    }


def _amount(amount: Amount, studies: int) -> dict[str, JsonValue]:
    return {
        "studies": studies,
        "instances": amount.instances,
        "bytes": amount.bytes_received,
    }


def _holdings(gathered: Gathered, balance: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {
        "balance": balance,
        "by_tier": [
            {"tier": tier, "studies": studies, "instances": instances, "bytes": received, "stored": stored}
            for tier, studies, instances, received, stored in _summed(gathered.held, lambda row: row.tier)
        ],
        "by_modality": [
            {"modality": kind or "-", "studies": studies, "instances": instances, "bytes": received}
            for kind, studies, instances, received, _ in _summed(gathered.held, lambda row: row.modalities)
        ],
        "series": gathered.held_series,
        "stored_by_month": stored_by_month(gathered.meter),
        "quarantined": gathered.history.quarantined,
    }


def _summed(rows: Iterable[Held], key: Callable[[Held], str]) -> list[tuple[str, int, int, int, int]]:
    sums: dict[str, list[int]] = {}
    for row in rows:
        found = sums.setdefault(key(row), [0, 0, 0, 0])
        for place, value in enumerate((row.studies, row.instances, row.bytes_received, row.bytes_stored)):
            found[place] += value
    return [(name, found[0], found[1], found[2], found[3]) for name, found in sorted(sums.items())]


def _copies(gathered: Gathered) -> dict[str, JsonValue]:
    return {
        "tiers": [
            {
                "tier": tier.name,
                "protection": tier.protection,
                "survives_volumes": tier.volume_losses,
                "survives_domains": tier.domain_losses,
                "problem": tier.problem,
            }
            for tier in gathered.tiers
        ],
        "volumes": [
            {
                "volume": row.volume,
                "site": row.site,
                "domain": row.domain,
                "shards": row.shards,
                "stored": row.bytes_stored,
            }
            for row in gathered.placed
        ],
        "flawed": [{"tier": row.tier, "state": row.state, "shards": row.shards} for row in gathered.flawed],
        "write_debt": gathered.write_debt,
        "margins": [
            {"tier": row.tier, "left": row.left, "packages": row.packages} for row in gathered.margins
        ],
    }


def _retention(gathered: Gathered) -> dict[str, JsonValue]:
    return {
        "states": [
            {
                "institution": row.institution,
                "state": row.state,
                "studies": row.studies,
                "bytes": row.bytes_received,
            }
            for row in gathered.states
        ],
        "ended": gathered.ended,
        "ending_within_a_year": gathered.ending_soon,
        "endings": [
            {
                "institution": row.institution,
                "year": row.year,
                "studies": row.studies,
                "bytes": row.bytes_received,
            }
            for row in gathered.endings
        ],
        "holds": list(gathered.holds),
    }


def _exceptions(gathered: Gathered, balance: dict[str, JsonValue]) -> list[JsonValue]:
    """Return what an auditor must not overlook, each with its number; the wording is the report's."""
    audits = gathered.history.audits
    closing = balance["closing"]
    counted = closing["instances"] if isinstance(closing, dict) else 0
    numbers = {
        "lost_packages": sum(row.lost for row in gathered.checked),
        "unrepaired": audits.findings - audits.repaired,
        "flawed_shards": sum(row.shards for row in gathered.flawed),
        "write_debt": gathered.write_debt,
        "unchecked_for_a_year": sum(row.by_age[-1] for row in gathered.checked),
        "unreadable_records": audits.unreadable_records,
        "undetermined": _in_state(gathered, "UNDETERMINED"),
        "conflicts": _in_state(gathered, "CONFLICT"),
        "tier_problems": sum(1 for tier in gathered.tiers if tier.problem),
        "without_policy": 0 if gathered.policies else sum(row.studies for row in gathered.states),
        "no_audit": int(audits.entries == 0 and bool(gathered.checked)),
        "overdue_holds": sum(1 for hold in gathered.holds if hold["state"] == "overdue"),
        "policies_to_review": sum(1 for one in gathered.policies if _is_past(one["review_by"], gathered)),
        "meter_disagrees": gathered.meter_disagreements,
        **audit_exceptions(gathered.auditing),
        **_seal_exceptions(gathered),
        "out_of_balance": int(
            balance["covers_today"] is True
            and not 0 <= counted - gathered.held_instances <= gathered.history.rearrived
        ),
    }
    return [
        {"what": what, "number": number, "flag": what in FLAGS}
        for what, number in numbers.items()
        if number > 0
    ]


def _seal_exceptions(gathered: Gathered) -> dict[str, int]:
    section = sealing_section(gathered.sealing, _period(gathered.identity))
    gap, without = section["longest_without_seal_h"], section["not_timestamped"]
    has_authority = section["authority"] != "none"
    return {
        "authority_down": int(section["authority"] == "down"),
        "not_timestamped": without if isinstance(without, int) and has_authority else 0,
        "hours_without_seal": gap if isinstance(gap, int) and gap > SEAL_EVERY_H else 0,
    }


def _is_past(day: JsonValue, gathered: Gathered) -> bool:
    return isinstance(day, str) and day < gathered.identity.made_at.date().isoformat()


def _in_state(gathered: Gathered, state: str) -> int:
    return sum(row.studies for row in gathered.states if row.state == state)


def _not_checked(gathered: Gathered) -> list[str]:
    """Return what this report in particular did not check."""
    identity = gathered.identity
    missing = [] if gathered.sealing.stamp is not None else ["timestamp"]
    if identity.until_on < (identity.made_at - timedelta(days=1)).date():
        missing.append("state_at_end")
    if identity.is_rehearsal:
        missing.append("rehearsal")
    return missing
