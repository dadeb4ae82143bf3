"""Which institution a path names."""

from __future__ import annotations

from retention.model.errors import NotFoundError
from retention.model.identifiers import InstitutionId
from retention.services.stores import Stores
from retention.web.problems import ABSENT


def institution_named(stores: Stores, name: str) -> InstitutionId:
    """Return the institution of a path. Raises NotFoundError, in the words for all that is absent."""
    for record in stores.catalog.institutions():
        if record.spec.name == name:
            return record.institution_id
    raise NotFoundError(ABSENT)
