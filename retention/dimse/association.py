"""An association of ours: it sleeps until something comes, and what pynetdicom would decode goes out as it is held.

Ours are made by changing the class of pynetdicom's own, before their threads start: it makes them in one place, and
takes no factory.
"""

from __future__ import annotations

import queue
import ssl
import threading
from typing import Any, Protocol, TypeVar

from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_GET, C_MOVE
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import RequestHandler

from retention.dimse.limits import IDLE_S
from retention.dimse.storing import Storing
from retention.dimse.upper_layer import ReceivingLayer
from retention.model.clock import Clock
from retention.services.authorisation import Caller

T = TypeVar("T")


class Retrievals(Protocol):
    """Who answers C-GET and C-MOVE."""

    def serve(
        self, association: Association, request: C_GET | C_MOVE, context: PresentationContext
    ) -> None: ...


class Serving(Protocol):
    """What a server has for its associations."""

    retrievals: Retrievals
    storing: Storing
    clock: Clock


class _TellingQueue(queue.Queue[T]):
    """A queue that says when there is something in it."""

    def __init__(self, told: threading.Event) -> None:
        super().__init__()
        self._told = told

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002  # as there
        super().put(item, block, timeout)
        self._told.set()


class ArchiveAssociation(Association):
    """An association with a device that called us."""

    retrievals: Retrievals
    caller: Caller | None = None
    _told: threading.Event

    def prepare(self, serving: Serving) -> None:
        """Become one of ours, before the threads start."""
        self.retrievals = serving.retrievals
        self._told = threading.Event()
        self.dimse.msg_queue = _TellingQueue(self._told)
        self.dul.to_user_queue = _TellingQueue(self._told)
        self.dul.__class__ = ReceivingLayer
        if isinstance(self.dul, ReceivingLayer):
            self.dul.prepare(serving.storing, serving.clock)

    def _run_reactor(self) -> None:
        """Serve until it is over: as there, but asleep while there is nothing to do."""
        self._is_paused = False
        while not self._kill:
            self._is_paused = True
            self._told.wait(IDLE_S)
            self._reactor_checkpoint.wait()
            self._is_paused = False
            self._told.clear()
            context_id, message = self.dimse.get_msg(block=False)
            if message is not None and context_id is not None:
                self._told.set()  # there may be more
                self._serve_request(message, context_id)
            if self._is_over():
                return

    def _is_over(self) -> bool:
        if self.is_established and self.acse.is_release_requested():
            self.acse.send_release(is_response=True)
            self.is_released, self.is_established = True, False
            self.kill()
            return True
        if self.acse.is_aborted():
            self.dul.receive_pdu(wait=False)
            self.is_aborted, self.is_established = True, False
            self.kill()
            return True
        if not self.dul.is_alive():
            self.kill()
            return True
        if self.dul.idle_timer_expired():
            self.abort()
            return True
        return False

    def _serve_request(self, msg: Any, context_id: int) -> None:  # noqa: ANN401  # many classes there
        context = self._accepted_cx.get(context_id)
        is_ours = isinstance(msg, C_GET | C_MOVE) and msg.is_valid_request
        if not is_ours or context is None or self._sent_release:
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

    server: Any

    def handle(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().handle()

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.__class__ = ArchiveAssociation
        if isinstance(association, ArchiveAssociation):
            association.prepare(self.server)
        return association
