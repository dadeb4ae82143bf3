"""Metering: exams, instances, bytes in, bytes stored and recalls by institution, modality, tier and month.

The invariant: what came in is what the journal says, whatever was destroyed since. The catalog knows modalities, of
what is still held; what the journal has beyond that stands in a row of its own, without modality; were the catalog
ever to have more than the journal, that is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from retention.catalog.metering import Metered, Metering
from retention.model.canonical import JsonValue
from retention.model.identifiers import InstitutionId
from retention.services.compliance.history import Amount
from retention.services.events import number_of

FLOWS = ("exams", "instances", "bytes_in", "recalls")
GONE = "-"
"""The modality of what was destroyed since: nobody knows it any more."""

Key = tuple[str, str, str, str]
"""Month, institution's id, tier, modality."""


@dataclass(slots=True)
class Meter:
    """The rows, summed up; `disagreements` counts months in which the catalog has more than the journal."""

    rows: dict[Key, Metered] = field(default_factory=dict)
    disagreements: int = 0

    def add(self, one: Metered) -> None:
        key = (one.month, one.institution_id, one.tier, one.modality)
        known = self.rows.get(key)
        if known is None:
            self.rows[key] = one
            return
        self.rows[key] = Metered(
            one.institution_id,
            one.modality,
            one.tier,
            one.month,
            known.exams + one.exams,
            known.instances + one.instances,
            known.bytes_in + one.bytes_in,
            known.stored + one.stored,
            known.recalls + one.recalls,
        )


def metered(metering: Metering, journal: Mapping[tuple[str, str, str], Amount]) -> Meter:
    """Return the sums. `journal`: what came in, by month, tier and institution's id."""
    meter = Meter()
    known: dict[tuple[str, str, str], Amount] = {}
    for one in metering.arrived():
        meter.add(one)
        here = known.setdefault((one.month, one.tier, one.institution_id), Amount())
        here.add(Amount(0, one.instances, one.bytes_in))
        here.studies += one.exams
    for key, said in journal.items():
        here = known.pop(key, Amount())
        rest = (
            said.studies - here.studies,
            said.instances - here.instances,
            said.bytes_received - here.bytes_received,
        )
        if min(rest) < 0:
            meter.disagreements += 1
        elif any(rest):
            month, tier, institution = key
            meter.add(Metered(InstitutionId(institution), GONE, tier, month, *rest))
    meter.disagreements += len(known)
    for one in (*metering.stored(), *metering.recalled()):
        meter.add(one)
    return meter


def meter_rows(meter: Meter, names: Mapping[str, str], months: tuple[str, str]) -> list[dict[str, JsonValue]]:
    """Return the rows of a period; `stored_at_end` is what lies on the tier when the month ends."""
    levels: dict[tuple[str, str, str], int] = {}
    found: list[dict[str, JsonValue]] = []
    for month in _months(min([key[0] for key in meter.rows], default=months[1]), months[1]):
        of_month = {key[1:]: row for key, row in meter.rows.items() if key[0] == month}
        for where, row in of_month.items():
            levels[where] = levels.get(where, 0) + row.stored
        if month < months[0]:
            continue
        for where in sorted(set(of_month) | {one for one, level in levels.items() if level}):
            institution, tier, modality = where
            flow = of_month.get(where, Metered(InstitutionId(institution), modality, tier, month))
            found.append(
                {
                    "month": month,
                    "institution": names.get(institution, institution),
                    "tier": tier,
                    "modality": modality or "-",
                    "exams": flow.exams,
                    "instances": flow.instances,
                    "bytes_in": flow.bytes_in,
                    "stored_at_end": levels.get(where, 0),
                    "recalls": flow.recalls,
                }
            )
    return found


def meter_totals(rows: Iterable[Mapping[str, JsonValue]]) -> list[JsonValue]:
    """Return the sums of a period by institution, modality and tier, with what is stored when its last month ends."""
    totals: dict[tuple[str, str, str], dict[str, JsonValue]] = {}
    for row in rows:
        key = (str(row["institution"]), str(row["modality"]), str(row["tier"]))
        total = totals.setdefault(
            key, {"institution": key[0], "modality": key[1], "tier": key[2], **dict.fromkeys(FLOWS, 0)}
        )
        for name in FLOWS:
            total[name] = number_of(total, name) + number_of(row, name)
        total["stored_at_end"] = row["stored_at_end"]
    return [totals[key] for key in sorted(totals)]


def stored_by_month(rows: Iterable[Mapping[str, JsonValue]]) -> list[JsonValue]:
    """Return how much lay on each tier at the end of each month."""
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        level = row["stored_at_end"]
        key = (str(row["month"]), str(row["tier"]))
        sums[key] = sums.get(key, 0) + (level if isinstance(level, int) else 0)
    return [
        {"month": month, "tier": tier, "stored": stored} for (month, tier), stored in sorted(sums.items())
    ]


def _months(first: str, last: str) -> Iterable[str]:
    year, month = int(first[:4]), int(first[5:])
    while (name := f"{year:04d}-{month:02d}") <= last:
        yield name
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
