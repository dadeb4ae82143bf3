"""The guard of the routes: each says what it needs, and whoever asks has to have it there.

The invariant: a route that does not say what it needs is not served at all; and an institution at which a caller has no
role is answered, word for word, as one that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.params import Depends
from starlette.routing import BaseRoute

from retention.model.errors import NotFoundError, RoleMissingError, UnknownCallerError
from retention.services.authorisation import Caller, Need, is_allowed, knows_of, let_in
from retention.services.identity.doorkeeper import Doorkeeper, Shown
from retention.services.identity.witness import Reason, Witness
from retention.services.stores import Stores
from retention.web.callers import institution_named
from retention.web.problems import ABSENT

NAMES = "certificate_names"
"""Where the protocol notes, in a connection's state, the names in the certificate that was shown."""


@dataclass(frozen=True, slots=True)
class Required:
    """A dependency of a route: what it needs, checked before anything else of the request is looked at."""

    guard: Guard
    need: Need

    async def __call__(self, request: Request) -> None:
        if self.need is not Need.OPEN:
            let_in(await run_sync(self.guard.admit, request, self.need))


@dataclass(frozen=True, slots=True)
class Guard:
    """Admits callers."""

    stores: Stores
    keeper: Doorkeeper
    witness: Witness

    def needs(self, need: Need) -> Depends:
        """Return the dependency that a route or router declares."""
        return Depends(Required(self, need))

    def admit(self, request: Request, need: Need) -> Caller:
        """Return who asks. Raises as `Doorkeeper.caller_of`, NotFoundError, RoleMissingError."""
        shown = shown_by(request)
        caller = self.keeper.caller_of(shown)
        try:
            self._require(caller, request.path_params.get("institution"), need)
        except (NotFoundError, RoleMissingError):
            self.witness.refused(Reason.ROLE, shown.address)
            raise
        return caller

    def _require(self, caller: Caller, name: str | None, need: Need) -> None:
        institution = None if name is None else institution_named(self.stores, name)
        if institution is not None and not knows_of(caller, institution):
            raise NotFoundError(ABSENT)
        if not is_allowed(caller, institution, need):
            raise RoleMissingError("this needs a role that you do not have here")


def shown_by(request: Request) -> Shown:
    """Return what a request shows of its caller. Raises UnknownCallerError when it shows it twice."""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise UnknownCallerError("say once who you are")
    address = "" if request.client is None else request.client.host
    names: Any = request.scope.get("state", {}).get(NAMES, ())
    return Shown(headers[0] if headers else None, names, address)


def require_declared(router: APIRouter) -> None:
    """Raise ValueError for a route that does not say what it needs, or says it twice: it would be open to all."""
    for route in router.routes:
        if len(needs_of(route)) != 1:
            raise ValueError(f"{route} does not say what it needs")


def needs_of(route: BaseRoute) -> list[Need]:
    """Return what a route says that it needs."""
    declared = (each.dependency for each in getattr(route, "dependencies", ()))
    return [each.need for each in declared if isinstance(each, Required)]
