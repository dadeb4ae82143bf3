"""The bordereau d'élimination: what is proposed to be destroyed, as the French archives ask for it, as CSV.

Service, typology, extreme dates, number, volume, observations: one line a service, modality and rule. It is made while
the studies are still held, so it can say what they are without naming anybody.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from retention.catalog.disposal_records import ProposalRecord
from retention.catalog.records import StudyDetail
from retention.services.disposal.proposals import to_destroy
from retention.services.events import Names
from retention.services.stores import Stores

PAGE = 500
COLUMNS = (
    "service",
    "typology",
    "earliest_date",
    "latest_date",
    "retention_rule",
    "studies",
    "instances",
    "bytes",
    "observations",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(slots=True)
class Line:
    """What one line of a bordereau adds up."""

    studies: int = 0
    instances: int = 0
    bytes_received: int = 0
    earliest: str = ""
    latest: str = ""

    def add(self, study: StudyDetail) -> None:
        self.studies += 1
        self.instances += study.summary.instances
        self.bytes_received += study.summary.bytes_received
        day = study.facts.study_date or ""
        if day:
            self.earliest = min(self.earliest or day, day)
            self.latest = max(self.latest, day)


def bordereau(stores: Stores, proposal: ProposalRecord) -> str:
    """Return the bordereau of a proposal as CSV (RFC 4180, UTF-8), from what is still held of it."""
    names = Names(stores.keyring.index_key.secret)
    wanted = {study.study: study for study in to_destroy(proposal)}
    owner = next(
        one for one in stores.catalog.institutions() if one.institution_id == proposal.institution_id
    )
    lines: dict[tuple[str, str, str], Line] = {}
    after, held = 0, 0
    while page := stores.catalog.disposals.study_page(proposal.institution_id, after, PAGE):
        for _, uid in page:
            proposed = wanted.get(names.study(proposal.institution_id, uid))
            if proposed is not None:
                held += 1
                study = stores.catalog.study(uid, owner.spec.name)
                service = study.facts.department or owner.spec.title or owner.spec.name
                key = (service, "/".join(study.modalities), proposed.winner or "")
                lines.setdefault(key, Line()).add(study)
        after = page[-1][0]
    return _csv(lines, len(wanted) - held)


def _csv(lines: dict[tuple[str, str, str], Line], gone: int) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for (service, typology, rule), line in sorted(lines.items()):
        extremes = line.earliest, line.latest
        values = (service, typology, *extremes, rule, line.studies, line.instances, line.bytes_received, "")
        writer.writerow([_harmless(value) for value in values])
    if gone:
        writer.writerow(["", "", "", "", "", gone, "", "", "no longer held"])
    return out.getvalue()


def _harmless(value: str | int) -> str | int:
    """A text from a header never becomes a formula in somebody's spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
