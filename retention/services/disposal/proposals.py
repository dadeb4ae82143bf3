"""Proposals: an analysis written down, and the approvals it asks for.

The invariant: a proposal has no effect. What its approvers sign is its digest, which covers the studies and the terms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date

from retention.catalog.disposal_records import ProposalRecord, ProposedStudy
from retention.model.canonical import JsonValue, canonical_json
from retention.model.errors import NotFoundError, UsageError
from retention.model.identifiers import InstitutionId, new_id
from retention.policy.disposal import Outcome, Terms, combine_terms
from retention.policy.documents import Approver, Limits
from retention.policy.period import parse_period
from retention.services import approvals, commit, people
from retention.services.approvals import Wish
from retention.services.decisions import refresh
from retention.services.disposal.analysis import Summary, analyse_institution
from retention.services.entries.acting import Deed
from retention.services.entries.disposal import proposal_entry
from retention.services.events import Names
from retention.services.people import ADMINISTRATOR, ARCHIVIST
from retention.services.stores import Stores

KIND = "disposal"
PAGE = 500


def propose(stores: Stores, institution: InstitutionId, at: date | None = None) -> ProposalRecord:
    """Analyse an institution's studies on a day (None: today) and write down what might be destroyed.

    Where there is something, the approvals that the policies name are asked for. Raises RoleMissingError.
    """
    people.require_role(stores, institution, ARCHIVIST, ADMINISTRATOR)
    refresh(stores)
    summary = analyse_institution(stores, institution, at)
    terms = combine_terms([one.terms for one in summary.doomed])
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        now = stores.clock.now()
        record = _record(stores, institution, at or now.date(), summary, terms)
        by = Deed(now, stores.actor)
        entries = [proposal_entry(record, by, stores.keyring.payload_key(institution))]
        if summary.doomed and terms.approvals:
            entries.append(approvals.request_entry(stores, _wish(record, terms)))
        commit.append_locked(stores, entries)
    return find(stores, record.proposal_id)


def find(stores: Stores, proposal_id: str) -> ProposalRecord:
    """Return a proposal by its id, or a beginning of it that no other has. Raises NotFoundError, UsageError."""
    found = [one for one in stores.catalog.disposals.all() if one.proposal_id.startswith(proposal_id)]
    if not found or not proposal_id:
        raise NotFoundError(f"there is no proposal {proposal_id}", hint="retention disposal list shows them")
    if len(found) > 1:
        raise UsageError(f"several proposals begin with {proposal_id}", hint="give more of its id")
    return found[0]


def to_destroy(record: ProposalRecord) -> list[ProposedStudy]:
    """Return the studies that a proposal would destroy."""
    return [study for study in record.studies if study.outcome == Outcome.DESTROY.value]


def held_uids(stores: Stores, record: ProposalRecord) -> dict[str, str]:
    """Return the Study Instance UIDs of those studies of a proposal that are still held, by their keyed digests."""
    names, wanted = Names(stores.keyring.index_key.secret), {study.study for study in record.studies}
    found: dict[str, str] = {}
    after = 0
    while page := stores.catalog.disposals.study_page(record.institution_id, after, PAGE):
        digests = ((names.study(record.institution_id, uid), uid) for _, uid in page)
        found |= {study: uid for study, uid in digests if study in wanted}
        after = page[-1][0]
    return found


def digest_of(
    institution: InstitutionId, studies: Sequence[ProposedStudy], terms: Mapping[str, JsonValue]
) -> str:
    """Return what approvers sign: SHA-256 over whose, which studies, and under what terms."""
    rows: list[JsonValue] = [[study.study, study.outcome, study.winner] for study in studies]
    text = canonical_json({"institution": institution, "studies": rows, "terms": dict(terms)})
    return hashlib.sha256(text).hexdigest()


def terms_document(terms: Terms) -> dict[str, JsonValue]:
    """Return terms as JSON."""
    return {
        "approvals": [{"name": one.name, "external": one.is_external} for one in terms.approvals],
        "grace": None if terms.grace is None else str(terms.grace),
        "limits": [
            {
                "studies": limit.studies,
                "percent": None if limit.percent is None else str(limit.percent),
                "per": str(limit.per),
            }
            for limit in terms.limits
        ],
        "methods": list(terms.methods),
    }


def read_terms(document: Mapping[str, object]) -> Terms:
    """Return the terms of a proposal. Raises ValueError, KeyError, TypeError for what `terms_document` never wrote."""
    approvers, limits, methods = document["approvals"], document["limits"], document["methods"]
    if not (isinstance(approvers, list) and isinstance(limits, list) and isinstance(methods, list)):
        raise TypeError("terms have another form")
    grace = document["grace"]
    return Terms(
        tuple(Approver(str(one["name"]), is_external=one["external"] is True) for one in approvers),
        None if grace is None else parse_period(str(grace)),
        tuple(_limits(limit) for limit in limits),
        tuple(map(str, methods)),
    )


def _limits(written: Mapping[str, object]) -> Limits:
    values = {name: value for name, value in written.items() if value is not None}
    if "percent" in values:
        values["percent"] = float(str(values["percent"]))
    return Limits.model_validate(values)


def _record(
    stores: Stores, institution: InstitutionId, for_on: date, summary: Summary, terms: Terms
) -> ProposalRecord:
    document = terms_document(terms)
    return ProposalRecord(
        new_id(),
        institution,
        for_on,
        stores.clock.now(),
        digest_of(institution, summary.notable, document),
        dict(summary.counts),
        tuple(summary.notable),
        document,
        0,
    )


def _wish(record: ProposalRecord, terms: Terms) -> Wish:
    count = record.counts[Outcome.DESTROY.value]
    return Wish(
        KIND,
        record.institution_id,
        record.proposal_id,
        record.digest,
        terms.approvals,
        f"destroy {count} studies",
        {"proposal": record.proposal_id, "studies": count},
    )
