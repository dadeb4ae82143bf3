"""A peer: takes instances and notifications, and asks for studies."""

from __future__ import annotations

from typing import Any, Self

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    CTImageStorage,
    InstanceAvailabilityNotification,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)


class Peer:
    """A viewer that listens on a port of its own."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.told: list[Dataset] = []
        self.status = 0x0000
        entity = AE("VIEWER")
        for context in (CTImageStorage, InstanceAvailabilityNotification, Verification):
            entity.add_supported_context(context)
        handlers: list[Any] = [(evt.EVT_C_STORE, self._take), (evt.EVT_N_CREATE, self._hear)]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        assert self._server is not None
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()

    def _take(self, event):
        if self.status == 0:
            self.taken.append(str(event.request.AffectedSOPInstanceUID))
        return self.status

    def _hear(self, event):
        self.told.append(event.attribute_list)
        return 0x0000, event.attribute_list


def move(port: int, study: str, destination: str = "VIEWER") -> list[Dataset]:
    """Ask for a study to be sent; return the statuses of all responses."""
    entity = AE("CT1")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    association = entity.associate("127.0.0.1", port, ae_title="RETENTION")
    assert association.is_established
    answers = association.send_c_move(_of(study), destination, StudyRootQueryRetrieveInformationModelMove)
    statuses = [status for status, _ in answers]
    association.release()
    return statuses


def get(port: int, study: str) -> list[Dataset]:
    """Ask for a study to be given; return the statuses of all responses."""
    entity = AE("CT1")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    association = entity.associate("127.0.0.1", port, ae_title="RETENTION")
    assert association.is_established
    statuses = [
        status for status, _ in association.send_c_get(_of(study), StudyRootQueryRetrieveInformationModelGet)
    ]
    association.release()
    return statuses


def _of(study: str) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyInstanceUID = "STUDY", study
    return identifier
