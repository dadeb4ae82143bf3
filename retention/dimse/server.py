"""The listener: associations accepted, refused, served and ended.

Whoever calls must be known by AE title, and must call us by ours; anything else is refused when it is asked for
(PS3.8 table 9-21). Every storage SOP class and transfer syntax is accepted as it is proposed: nothing is decoded.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from socketserver import BaseServer
from typing import Any

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
from retention.dimse.after_recall import AfterRecall
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
from retention.services.deliveries import Deliveries
from retention.services.identity.witness import Reason, Witness
from retention.services.staging.receiver import Receiver
from retention.services.stores import Stores
from retention.services.tls import context_of, names_of

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
    """Shares a listening socket with other processes: each new connection goes to one of them."""

    retrievals: Retrieving
    storing: Storing
    clock: Clock
    tls: ssl.SSLContext | None = None

    def handle_error(self, _request: object, client_address: object) -> None:
        _LOG.info("a connection from %s came to nothing", client_address, exc_info=True)

    def __init__(self, listening: socket.socket, entity: AE, spec: DimseSpec, handlers: list[Any]) -> None:
        """Serve on a socket that listens already."""
        self._listening = listening
        super().__init__(
            entity,
            (spec.host, spec.port),
            spec.ae_title,
            entity.supported_contexts,
            evt_handlers=handlers,
            request_handler=ArchiveRequestHandler,
        )

    def server_bind(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = self._listening
        self.socket.settimeout(0)  # several wait for it: who comes too late must not wait on
        self.server_address = self.socket.getsockname()[:2]

    def server_activate(self) -> None:
        """It listens already."""

    def server_close(self) -> None:
        """Close it for this process; others go on listening."""
        if self.socket is not None:
            self.socket.close()

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
        """Take a connection; its handshake is made by the thread that serves it, not by the one that accepts."""
        if self.socket is None:
            raise OSError("the listener is closed")
        connection, address = self.socket.accept()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
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
    after_recall: AfterRecall
    witness: Witness

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Accept nothing more; let what is under way end, and abort what does not."""
        self.server.shutdown()
        self.committing.stop()
        self.after_recall.stop()
        waited_s = 0.0
        while self.entity.active_associations and waited_s < grace_s:
            time.sleep(0.05)
            waited_s += 0.05
        for association in self.entity.active_associations:
            association.abort()
        self.thread.join()
        self.witness.stop()


def serve_on(listening: socket.socket, stores: Stores, receiver: Receiver, spec: DimseSpec) -> Listener:
    """Start to serve on a socket that listens. Raises SettingsError when TLS cannot be had."""
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
    tls = None if spec.tls is None else context_of(spec.tls, stores.root)
    callers, witness = Callers(stores), Witness(stores)
    committing = Committing(
        Commitments(stores), callers, entity, stores.root, callers.peers, stores.clock, receiver.session
    )
    after_recall = AfterRecall(stores, callers, entity, callers.peers, Deliveries(stores))
    handlers = [
        (evt.EVT_REQUESTED, _Admission(callers, spec, witness)),
        (evt.EVT_C_ECHO, _answer_echo),
        (evt.EVT_N_ACTION, committing),
        (evt.EVT_C_FIND, Querying(stores, callers, spec.ae_title)),
    ]
    server = SharingServer(listening, entity, spec, handlers)
    server.tls = tls
    server.storing, server.clock = Storing(callers, receiver), stores.clock
    server.retrievals = Retrieving(stores, callers, entity, Deliveries(stores))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="dimse", daemon=True)
    thread.start()
    committing.start()
    after_recall.start()
    witness.start()
    return Listener(server, entity, thread, committing, after_recall, witness)


@dataclass(frozen=True, slots=True)
class _Admission:
    """Decides on a requested association."""

    callers: Callers
    spec: DimseSpec
    witness: Witness

    def __call__(self, event: Event) -> None:
        association: Any = event.assoc
        request = association.requestor.primitive
        calling, called = ("", "") if request is None else (request.calling_ae_title, request.called_ae_title)
        connection = association.dul.socket
        names = names_of(None if connection is None else connection.socket)
        reason: int | None = _CALLED_UNKNOWN
        if str(called).strip() == self.spec.ae_title:
            is_encrypted = self.spec.tls is not None
            association.caller = self.callers.caller_of(str(calling), names, is_encrypted=is_encrypted)
            reason = None if association.caller is not None else _CALLING_UNKNOWN
        if association.caller is not None:
            self.witness.came_in(association.caller)
        if reason is not None:
            _LOG.warning(
                "an association was refused: it called %a as %a", str(called)[:16], str(calling)[:16]
            )
            self.witness.refused(Reason.AE_TITLE, association.requestor.address or "")
            association.acse.send_reject(_PERMANENT, _BY_USER, reason)
            association.kill()


def _answer_echo(_event: Event) -> int:
    return SUCCESS
