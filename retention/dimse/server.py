"""The listener: associations accepted, refused, served and ended.

Whoever calls must be known by AE title, and must call us by ours; anything else is refused when it is asked for
(PS3.8 table 9-21). Every storage SOP class and transfer syntax is accepted as it is proposed: nothing is decoded.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from dataclasses import dataclass
from socketserver import BaseServer

from pynetdicom import AE, _config, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from retention.dicom.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from retention.dimse.association import ArchiveAssociation, ArchiveRequestHandler
from retention.dimse.callers import Callers
from retention.dimse.committing import Committing
from retention.dimse.limits import (
    ASSOCIATIONS,
    ASSOCIATIONS_OF_ONE,
    CONNECTIONS,
    NETWORK_TIMEOUT_S,
    PDU_BYTES,
)
from retention.dimse.querying import Querying
from retention.dimse.retrieving import Retrieving
from retention.dimse.statuses import SUCCESS
from retention.dimse.storing import Storing
from retention.model.clock import Clock
from retention.model.layout import DimseSpec
from retention.services.commitments import Commitments
from retention.services.staging.receiver import Receiver
from retention.services.stores import Stores

SERVICES = (
    Verification,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)
"""Beside storage."""

GRACE_S = 8.0
_PERMANENT, _BY_USER = 1, 1
_CALLING_UNKNOWN, _CALLED_UNKNOWN = 3, 7

_LOG = logging.getLogger(__name__)


class SharingServer(ThreadedAssociationServer):
    """Shares its port with other processes: the system gives each new connection to one of them."""

    request_queue_size = 128
    retrievals: Retrieving
    storing: Storing
    clock: Clock

    def server_bind(self) -> None:
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def verify_request(self, _request: object, client_address: tuple[str, int] | str) -> bool:
        """Let a connection in unless there are too many, of all or of this address."""
        threads = [each for each in threading.enumerate() if isinstance(each, ArchiveAssociation)]
        address = client_address[0]
        of_one = sum(
            each.requestor.address_info.address == address for each in threads if each.requestor.address_info
        )
        return len(threads) < CONNECTIONS and of_one < ASSOCIATIONS_OF_ONE

    def shutdown(self) -> None:
        """Stop. Its entity does not know of it: it was not started by `start_server`."""
        BaseServer.shutdown(self)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(NETWORK_TIMEOUT_S)
        return connection, address


@dataclass(slots=True)
class Listener:
    """A listener that serves until it is stopped."""

    server: ThreadedAssociationServer
    entity: AE
    thread: threading.Thread
    committing: Committing

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Accept nothing more; let what is under way end, and abort what does not."""
        self.server.shutdown()
        self.committing.stop()
        waited_s = 0.0
        while self.entity.active_associations and waited_s < grace_s:
            time.sleep(0.05)
            waited_s += 0.05
        for association in self.entity.active_associations:
            association.abort()
        self.thread.join()


def listen(stores: Stores, receiver: Receiver, spec: DimseSpec) -> Listener:
    """Start to listen. Raises OSError when the address cannot be had."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.UNRESTRICTED_STORAGE_SERVICE = True
    entity = AE(spec.ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION
    entity.maximum_pdu_size = PDU_BYTES
    entity.maximum_associations = ASSOCIATIONS
    entity.network_timeout = NETWORK_TIMEOUT_S
    for service in SERVICES:
        entity.add_supported_context(service)
    callers = Callers(stores)
    committing = Committing(
        Commitments(stores), callers, entity, callers.peers, stores.clock, receiver.session
    )
    handlers = [
        (evt.EVT_REQUESTED, _Admission(callers, spec.ae_title)),
        (evt.EVT_C_ECHO, _answer_echo),
        (evt.EVT_N_ACTION, committing),
        (evt.EVT_C_FIND, Querying(stores, callers, spec.ae_title)),
    ]
    server = SharingServer(
        entity,
        (spec.host, spec.port),
        spec.ae_title,
        entity.supported_contexts,
        evt_handlers=handlers,  # type: ignore[arg-type]
        request_handler=ArchiveRequestHandler,
    )
    server.storing, server.clock = Storing(callers, receiver), stores.clock
    server.retrievals = Retrieving(stores, callers, entity, callers.peers)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="dimse", daemon=True)
    thread.start()
    committing.start()
    return Listener(server, entity, thread, committing)


@dataclass(frozen=True, slots=True)
class _Admission:
    """Decides on a requested association."""

    callers: Callers
    ae_title: str

    def __call__(self, event: Event) -> None:
        association = event.assoc
        request = association.requestor.primitive
        calling, called = ("", "") if request is None else (request.calling_ae_title, request.called_ae_title)
        reason = self._refusal(str(calling), str(called))
        if reason is not None:
            association.acse.send_reject(_PERMANENT, _BY_USER, reason)
            association.kill()

    def _refusal(self, calling: str, called: str) -> int | None:
        if called.strip() != self.ae_title:
            return _CALLED_UNKNOWN
        if self.callers.institution_of(calling) is None:
            _LOG.warning("an association was refused: nobody calls itself %a", calling[:16])
            return _CALLING_UNKNOWN
        return None


def _answer_echo(_event: Event) -> int:
    return SUCCESS
