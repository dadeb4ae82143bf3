"""An association that is ours: what pynetdicom would decode on its way out is sent as it is held."""

from __future__ import annotations

from typing import Any, Protocol

from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_GET, C_MOVE
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import RequestHandler


class Retrievals(Protocol):
    """Who answers C-GET and C-MOVE."""

    def serve(
        self, association: Association, request: C_GET | C_MOVE, context: PresentationContext
    ) -> None: ...


class ArchiveAssociation(Association):
    """An association with a device that called us."""

    retrievals: Retrievals | None = None

    def _serve_request(self, msg: Any, context_id: int) -> None:  # noqa: ANN401  # many classes there
        context = self._accepted_cx.get(context_id)
        is_ours = isinstance(msg, C_GET | C_MOVE) and msg.is_valid_request
        if not is_ours or context is None or self.retrievals is None or self._sent_release:
            super()._serve_request(msg, context_id)
            return
        self.dimse.cancel_req = {}
        self._is_paused = True
        try:
            self.retrievals.serve(self, msg, context)
        except Exception:  # noqa: BLE001  # as for its other services: a bug ends the association, not the process
            self.abort()
        finally:
            self._is_paused = False
            self.dimse.cancel_req = {}


class ArchiveRequestHandler(RequestHandler):
    """Makes associations of our kind."""

    def _create_association(self) -> ArchiveAssociation:
        association = super()._create_association()
        association.__class__ = ArchiveAssociation
        if not isinstance(association, ArchiveAssociation):
            raise TypeError("an association is not of our kind")
        association.retrievals = getattr(self.server, "retrievals", None)
        return association
