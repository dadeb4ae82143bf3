"""Who asks: the institution that the path names, from this machine alone while nobody can prove who he is."""

from __future__ import annotations

from retention.model.errors import NotFoundError
from retention.model.identifiers import InstitutionId
from retention.services.stores import Stores
from retention.web.problems import ABSENT

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def institution_named(stores: Stores, name: str) -> InstitutionId:
    """Return the institution of a path. Raises NotFoundError, in the words for all that is absent."""
    for record in stores.catalog.institutions():
        if record.spec.name == name:
            return record.institution_id
    raise NotFoundError(ABSENT)


def is_of_this_machine(host: str) -> bool:
    """Whether a Host header names this machine: a page in somebody's browser cannot make another name mean it."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host) in LOOPBACK
