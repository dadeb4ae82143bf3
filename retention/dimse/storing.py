"""C-STORE: the data set as it came, behind file meta made from what the association agreed on, durable before success.

Statuses are those of PS3.4 table B.2-1. What cannot be kept is answered with a failure, so that the sender keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from retention.dicom.file_meta import file_meta
from retention.dimse.callers import Callers
from retention.dimse.statuses import (
    CANNOT_UNDERSTAND,
    DOES_NOT_MATCH,
    INVALID_INSTANCE,
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SUCCESS,
    refusal,
)
from retention.model.errors import InvalidDicomError, RetentionError, StorageError
from retention.services.staging.receiver import Origin, Receiver


@dataclass(frozen=True, slots=True)
class Storing:
    """Answers C-STORE requests."""

    callers: Callers
    receiver: Receiver

    def __call__(self, event: Event) -> Dataset | int:
        """Keep an instance; return the status."""
        sender = str(event.assoc.requestor.ae_title).strip()
        institution = self.callers.institution_of(sender)
        if institution is None:
            return refusal(NOT_AUTHORISED, "this AE title belongs to no institution")
        try:
            return self._keep(
                event.request, str(event.context.transfer_syntax), Origin(institution, "dimse", sender)
            )
        except InvalidDicomError as error:
            return refusal(CANNOT_UNDERSTAND, error.message)
        except StorageError as error:
            return refusal(OUT_OF_RESOURCES, error.message)
        except RetentionError as error:
            return refusal(PROCESSING_FAILURE, error.message)

    def _keep(self, request: Any, transfer_syntax: str, origin: Origin) -> Dataset | int:  # noqa: ANN401  # untyped there
        sop_class, sop_instance = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        try:
            meta = file_meta(sop_class, sop_instance, transfer_syntax)
        except ValueError:
            return refusal(INVALID_INSTANCE, "the request's UIDs are none")
        incoming = self.receiver.receive(origin)
        incoming.write(meta)
        incoming.write(request.DataSet.getbuffer())
        head = incoming.identify()
        if head.identity.sop_instance_uid != sop_instance:
            return refusal(DOES_NOT_MATCH, "the data set has another SOP Instance UID")
        if head.instance.sop_class_uid not in (None, sop_class):
            return refusal(DOES_NOT_MATCH, "the data set has another SOP Class UID")
        incoming.finish(head)
        return SUCCESS
