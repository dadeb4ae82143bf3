"""Facts that would bring an end earlier: asking a second person, and what happens when he or she agrees.

The request names counts and record ids alone: what is said of patients stays under their own keys. The request's id is
the name of the batch, so that a rejection needs no more than the entry that says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from retention.catalog.approvals import RequestRecord
from retention.journal.envelope import NewEntry
from retention.model.canonical import canonical_json
from retention.model.digests import blake3_digest
from retention.model.errors import RefusedError
from retention.model.identifiers import InstitutionId, new_id
from retention.services import approvals
from retention.services.approvals import SECOND_PERSON, Wish
from retention.services.entries.facts import approve_entry
from retention.services.stores import Stores

KIND = "fact"


def ask(stores: Stores, institution: InstitutionId, records: Sequence[str], summary: str) -> NewEntry:
    """Return the entry that asks for the approval of these records; the commit lock is held.

    Raises RoleMissingError, SignatureMissingError when it has to be known who asks, and is not.
    """
    digest = blake3_digest(canonical_json(sorted(records))).hex()
    wish = Wish(KIND, institution, new_id(), digest, [SECOND_PERSON], summary, {"facts": len(records)})
    return approvals.request_entry(stores, wish)


def approved(stores: Stores, request: RequestRecord) -> Sequence[NewEntry]:
    """Return what happens when the last signature is there. Raises RefusedError when nothing waits any more."""
    facts, attributions = stores.catalog.facts.batch(request.request_id)
    if not facts and not attributions:
        raise RefusedError(
            "what was to be approved is gone: the key of its patient was destroyed",
            hint="reject the request",
        )
    return [approve_entry(request.institution_id, request.request_id, stores.clock.now(), stores.actor)]
