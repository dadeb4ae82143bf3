"""Whose studies a caller may read: the one place where that is decided.

Today an institution reads its own and nothing else; another's is to it as if it did not exist. Sharing between
institutions will be decided here, and nowhere else.
"""

from __future__ import annotations

from retention.model.identifiers import InstitutionId


def readable_by(institution: InstitutionId) -> tuple[InstitutionId, ...]:
    """Return the institutions whose studies a caller of this institution may find and read."""
    return (institution,)
