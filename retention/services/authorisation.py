"""Who may do what at the doors, and whose studies a caller may read: the one place where that is decided.

The invariant: what is not granted is refused. An institution reads its own and nothing else; another's is to it as if
it did not exist. Sharing between institutions will be decided here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from retention.catalog.people import RoleAt
from retention.model.identifiers import InstitutionId
from retention.services.people import ADMINISTRATOR, ARCHIVIST, AUDITOR, INGEST, OPERATOR, READER


class Need(StrEnum):
    """What a service at a door needs of whoever asks."""

    OPEN = "open"
    FIND = "find"
    READ = "read"
    STORE = "store"
    OBSERVE = "observe"


ROLES: Mapping[Need, frozenset[str]] = {
    Need.FIND: frozenset({READER, ARCHIVIST}),
    Need.READ: frozenset({READER, ARCHIVIST}),
    Need.STORE: frozenset({INGEST}),
    Need.OBSERVE: frozenset({OPERATOR, AUDITOR, ADMINISTRATOR}),
}
"""Any of these roles suffices. Who operates the archive sees no patient for that; who audits it stores nothing."""


class Method(StrEnum):
    """How a caller has proven who it is."""

    LOCAL = "local"
    CERTIFICATE = "certificate"
    TOKEN = "token"
    PROVIDER = "provider"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `actor` is how the journal names it: an id or a keyed digest, never a name."""

    actor: str
    method: Method
    grants: frozenset[RoleAt]

    def roles_at(self, institution: InstitutionId | None) -> frozenset[str]:
        return frozenset(role for place, role in self.grants if place is None or place == institution)


_PRESENT: ContextVar[Caller | None] = ContextVar("caller", default=None)


def present() -> Caller | None:
    """Return who asks for what is being done now, None for the program's own work."""
    return _PRESENT.get()


def let_in(caller: Caller) -> None:
    """Note who asks, for the rest of this request (the context that this is called in)."""
    _PRESENT.set(caller)


def is_allowed(caller: Caller, institution: InstitutionId | None, need: Need) -> bool:
    """Whether a caller may use a service at an institution (None: of the whole archive)."""
    return need is Need.OPEN or not ROLES[need].isdisjoint(caller.roles_at(institution))


def knows_of(caller: Caller, institution: InstitutionId) -> bool:
    """Whether a caller may be told that there is this institution: it has some role there."""
    return bool(caller.roles_at(institution))


def readable_by(institution: InstitutionId) -> tuple[InstitutionId, ...]:
    """Return the institutions whose studies a caller of this institution may find and read."""
    return (institution,)
