"""The bordereau d'élimination: what is proposed to be destroyed, as the French archives ask for it, as CSV and PDF.

Service, typology, extreme dates, number, volume, observations: one line a service, modality and rule. It is made while
the studies are still held, so it can say what they are without naming anybody.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from retention.catalog.disposal_records import ProposalRecord
from retention.catalog.records import InstitutionRecord, StudyDetail
from retention.model.canonical import JsonValue
from retention.services.disposal.proposals import read_terms, to_destroy
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


@dataclass(frozen=True, slots=True)
class Bordereau:
    """The lines of a proposal, in order; `gone` studies of it are not held any more."""

    proposal: ProposalRecord
    owner: InstitutionRecord
    lines: Sequence[tuple[tuple[str, str, str], Line]]
    gone: int

    def csv(self) -> str:
        """Return it as CSV (RFC 4180, UTF-8)."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for (service, typology, rule), line in self.lines:
            extremes = line.earliest, line.latest
            values = (
                service,
                typology,
                *extremes,
                rule,
                line.studies,
                line.instances,
                line.bytes_received,
                "",
            )
            writer.writerow([_harmless(value) for value in values])
        if self.gone:
            writer.writerow(["", "", "", "", "", self.gone, "", "", "no longer held"])
        return out.getvalue()

    def document(self) -> dict[str, JsonValue]:
        """Return it as JSON, as the PDF shows it."""
        rows: list[JsonValue] = [
            {
                "service": service,
                "typology": typology,
                "earliest_date": line.earliest,
                "latest_date": line.latest,
                "retention_rule": rule,
                "studies": line.studies,
                "instances": line.instances,
                "bytes": line.bytes_received,
                "gone": False,
            }
            for (service, typology, rule), line in self.lines
        ]
        if self.gone:
            nothing = dict.fromkeys(
                ("service", "typology", "earliest_date", "latest_date", "retention_rule"), ""
            )
            rows.append({**nothing, "studies": self.gone, "instances": 0, "bytes": 0, "gone": True})
        return {
            "proposal": self.proposal.proposal_id,
            "institution": self.owner.spec.name,
            "title": self.owner.spec.title,
            "for_day": self.proposal.for_on.isoformat(),
            "digest": self.proposal.digest,
            "approvers": [one.name for one in read_terms(self.proposal.terms).approvals],
            "lines": rows,
        }


def bordereau(stores: Stores, proposal: ProposalRecord) -> Bordereau:
    """Return the bordereau of a proposal, from what is still held of it."""
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
    return Bordereau(proposal, owner, sorted(lines.items(), key=lambda line: line[0]), len(wanted) - held)


def _harmless(value: str | int) -> str | int:
    """A text from a header never becomes a formula in somebody's spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
