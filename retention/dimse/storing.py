"""C-STORE: the data set as it comes, streamed to staging behind file meta made from what the association agreed on.

Success is answered when it is durable and not before. What cannot be kept is answered with a failure, so that the
sender keeps it; what remains of its data set is read and dropped. Statuses are those of PS3.4 table B.2-1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pynetdicom.association import Association

from retention.dicom.file_meta import file_meta
from retention.dimse.callers import Callers
from retention.dimse.commands import StoreRequest
from retention.dimse.statuses import (
    CANNOT_UNDERSTAND,
    DOES_NOT_MATCH,
    INVALID_INSTANCE,
    NOT_ADMITTED,
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SUCCESS,
    comment_of,
)
from retention.model.errors import InvalidDicomError, RetentionError, StorageError
from retention.services.authorisation import Need
from retention.services.staging.receiver import Incoming, Origin, Receiver


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a C-STORE request is answered with."""

    status: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Storing:
    """Begins what C-STORE requests ask for."""

    callers: Callers
    receiver: Receiver

    def begin(self, association: Association, request: StoreRequest, transfer_syntax: str) -> StoreUnderWay:
        """Begin to keep an instance. What is wrong with the request is said when its data set has come."""
        store = StoreUnderWay(request)
        sender = str(association.requestor.ae_title).strip()
        institution = self.callers.admitted(association, Need.STORE)
        if institution is None:
            return store.refuse(NOT_AUTHORISED, NOT_ADMITTED)
        if not request.has_data_set:
            return store.refuse(CANNOT_UNDERSTAND, "there is no data set")
        try:
            meta = file_meta(request.sop_class_uid, request.sop_instance_uid, transfer_syntax)
        except ValueError:
            return store.refuse(INVALID_INSTANCE, "the request's UIDs are none")
        store.incoming = self.receiver.receive(Origin(institution, "dimse", sender))
        store.write(meta)
        return store


@dataclass(slots=True)
class StoreUnderWay:
    """One instance on its way."""

    request: StoreRequest
    incoming: Incoming | None = None
    _failed: Outcome | None = field(default=None)

    def refuse(self, status: int, comment: str) -> StoreUnderWay:
        """It will not be kept."""
        if self._failed is None:
            self._failed = Outcome(status, comment_of(comment))
        if self.incoming is not None:
            self.incoming.abandon()
            self.incoming = None
        return self

    def write(self, data: bytes | memoryview) -> None:
        """Take what came of the data set."""
        if self.incoming is not None:
            try:
                self.incoming.write(data)
            except RetentionError as error:
                self._refuse_for(error)

    def finish(self) -> Outcome:
        """Make it durable; return what to answer."""
        if self.incoming is not None:
            try:
                self._finish(self.incoming)
            except RetentionError as error:
                self._refuse_for(error)
        return self._failed or Outcome(SUCCESS)

    def _finish(self, incoming: Incoming) -> None:
        head = incoming.identify()
        if head.identity.sop_instance_uid != self.request.sop_instance_uid:
            self.refuse(DOES_NOT_MATCH, "the data set has another SOP Instance UID")
        elif head.instance.sop_class_uid not in (None, self.request.sop_class_uid):
            self.refuse(DOES_NOT_MATCH, "the data set has another SOP Class UID")
        else:
            incoming.finish(head)

    def _refuse_for(self, error: RetentionError) -> None:
        if isinstance(error, InvalidDicomError):
            status = CANNOT_UNDERSTAND
        elif isinstance(error, StorageError):
            status = OUT_OF_RESOURCES
        else:
            status = PROCESSING_FAILURE
        self.refuse(status, error.message)
