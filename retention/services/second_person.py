"""Asking a second person: a loosening becomes a request, and has its effect when somebody else approves it.

Without anybody registered it is refused, and who is missing is said: a request that nobody could ever approve would
only look like progress.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retention.model.canonical import JsonValue
from retention.model.errors import ApprovalRefusedError
from retention.model.identifiers import InstitutionId
from retention.policy.changes import Change
from retention.services import approvals
from retention.services.loosening import Consent, loosenings
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: `digest` (hexadecimal) is of what it would be, `body` is what makes it so."""

    kind: str
    title: str
    digest: str
    body: Mapping[str, JsonValue]
    institution: InstitutionId | None = None


def ask(stores: Stores, asked: Asked, changes: Sequence[Change], consent: Consent) -> str:
    """File a request, durably; return its id.

    Raises ApprovalRefusedError when nobody is registered who could approve it, RoleMissingError and
    SignatureMissingError when it has to be known who asks and is not.
    """
    if stores.catalog.people.count() == 0:
        raise ApprovalRefusedError(
            f"{asked.title} lets records go earlier or with less control: that needs a second person, an archivist or"
            " administrator, and nobody is registered",
            hint="register people: retention person add NAME --role archivist",
        )
    told = "; ".join(change.text.en for change in loosenings(changes))
    return approvals.request(
        stores,
        approvals.Wish(
            asked.kind,
            asked.institution,
            asked.digest,
            asked.digest,
            [approvals.SECOND_PERSON],
            f"{asked.title}: {told}. {consent.reason}",
            {**asked.body, "reason": consent.reason},
        ),
    )
