"""What the names in a certificate are worth: institution and roles, as archive.yaml says."""

from __future__ import annotations

from collections.abc import Collection

from retention.catalog.people import RoleAt
from retention.model.layout import AccessSpec
from retention.services.stores import Stores


def grants_of(stores: Stores, access: AccessSpec, names: Collection[str]) -> frozenset[RoleAt]:
    """Return what these names bring together; an institution that is not made yet brings nothing."""
    if not names:
        return frozenset()
    ids = {record.spec.name: record.institution_id for record in stores.catalog.institutions()}
    return frozenset(
        (ids[institution], role)
        for institution, known in access.certificates.items()
        if institution in ids
        for name in names
        for role in known.get(name, ())
    )
