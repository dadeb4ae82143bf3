"""C-GET and C-MOVE (PS3.4 C.4.2, C.4.3): instances go out as they are held.

A move goes to a destination that archive.yaml names and to nowhere else, whatever the request says. What could not be
sent is counted and named; the others are sent all the same. Who was given what is recorded in the journal.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_GET, C_MOVE
from pynetdicom.dsutils import decode, encode
from pynetdicom.presentation import PresentationContext, build_context

from retention.dimse import attributes
from retention.dimse.attributes import Keys, Level
from retention.dimse.callers import Callers
from retention.dimse.calling import call
from retention.dimse.querying import instances_of
from retention.dimse.sending import Originator, contexts_for, send
from retention.dimse.statuses import (
    CANCELLED,
    DOES_NOT_MATCH,
    NOT_ADMITTED,
    NOT_AUTHORISED,
    PENDING,
    SOME_FAILED,
    SUCCESS,
    UNABLE_TO_PERFORM,
    UNABLE_TO_PROCESS,
    UNKNOWN_DESTINATION,
    comment_of,
    is_taken,
)
from retention.model.errors import NotReadyError, RetentionError
from retention.model.identifiers import InstitutionId
from retention.services.access import PackageAccess
from retention.services.authorisation import Need, present
from retention.services.deliveries import Deliveries, Delivery
from retention.services.finding import Finder, FoundInstance
from retention.services.reading import Disclosure, ask_back, read_instances
from retention.services.stores import Stores

MOST = 65535
"""Numbers of sub-operations are US (PS3.7 table E.1-1)."""

ASK_AGAIN = "being recalled from a slow tier: ask again later"
SENT_WHEN_RECALLED = "being recalled from a slow tier: it is sent when it is there"

Request = C_GET | C_MOVE


@dataclass(frozen=True, slots=True)
class _Moving:
    """Where a move goes, and on whose request."""

    institution: InstitutionId
    destination: str
    originator: Originator


@dataclass(slots=True)
class Counts:
    """How far a retrieval is."""

    remaining: int = 0
    completed: int = 0
    failed: list[str] = field(default_factory=list)
    warned: int = 0


@dataclass(frozen=True, slots=True)
class Retrieving:
    """Answers C-GET and C-MOVE requests."""

    stores: Stores
    callers: Callers
    entity: AE
    deliveries: Deliveries

    def serve(self, association: Association, request: Request, context: PresentationContext) -> None:
        """Answer a request, to its final response."""
        answering = _Answering(association, request, context)
        caller = str(association.requestor.ae_title).strip()
        institution = self.callers.admitted(association, Need.READ)
        if institution is None:
            answering.end(NOT_AUTHORISED, Counts(), NOT_ADMITTED)
            return
        try:
            keys = _keys(request, context)
        except Exception:  # noqa: BLE001  # whatever a stranger's identifier makes of the parser
            answering.end(DOES_NOT_MATCH, Counts(), "the identifier cannot be understood")
            return
        try:
            access = PackageAccess(self.stores)
            wanted = _wanted(Finder(self.stores, access), institution, keys)
            if len(wanted) > MOST:
                answering.end(UNABLE_TO_PROCESS, Counts(), f"more than {MOST} instances match")
            elif isinstance(request, C_GET):
                self._deliver(answering, access, association, wanted, None)
            else:
                self._move(answering, access, request, institution, caller, wanted)
        except RetentionError as error:
            answering.end(UNABLE_TO_PROCESS, Counts(), error.message)

    def _move(
        self,
        answering: _Answering,
        access: PackageAccess,
        request: C_MOVE,
        institution: InstitutionId,
        caller: str,
        wanted: list[FoundInstance],
    ) -> None:
        peer = self.callers.destination(str(request.MoveDestination or "").strip(), institution)
        if peer is None:
            answering.end(UNKNOWN_DESTINATION, Counts(), "no such destination is configured")
            return
        if not wanted:
            answering.end(SUCCESS, Counts())
            return
        contexts = [build_context(UID(each), list(syntaxes)) for each, syntaxes in contexts_for(wanted)]
        out = call(self.entity, self.stores.root, peer, contexts)
        if out is None:
            failed = [each.sop_instance_uid for each in wanted]
            answering.end(UNABLE_TO_PERFORM, Counts(failed=failed), "the destination does not answer")
            return
        try:
            originator = Originator(caller, int(request.MessageID or 0))
            self._deliver(answering, access, out, wanted, _Moving(institution, peer.ae_title, originator))
        finally:
            out.release()

    def _deliver(
        self,
        answering: _Answering,
        access: PackageAccess,
        association: Association,
        wanted: list[FoundInstance],
        moving: _Moving | None,
    ) -> None:
        counts = Counts(remaining=len(wanted))
        disclosure = Disclosure()
        disclosure.intend(self.stores, wanted)
        originator = None if moving is None else moving.originator
        slow: dict[str, list[FoundInstance]] = {}
        status = SUCCESS
        try:
            for number, (instance, file) in enumerate(read_instances(self.stores, access, wanted), 1):
                if answering.is_cancelled:
                    status = CANCELLED
                    break
                if not association.is_established:
                    counts.failed += [each.sop_instance_uid for each in wanted[number - 1 :]]
                    counts.remaining = 0
                    break
                outcome = None
                if isinstance(file, NotReadyError):
                    slow.setdefault(instance.study.study_uid, []).append(instance)
                elif isinstance(file, bytes):
                    outcome = send(
                        association,
                        instance,
                        file,
                        number % MOST + 1,
                        originator,
                    )
                _count(counts, instance, outcome)
                disclosure.count(instance, is_given=outcome is not None and is_taken(outcome))
                answering.pending(counts)
        finally:  # what was sent is recorded, whatever happens then
            disclosure.record(self.stores)
        for instances in slow.values():
            self._ask_back(instances, answering.caller, moving)
        comment = None
        if slow:
            comment = SENT_WHEN_RECALLED if moving else ASK_AGAIN
        answering.end(status or _final(counts), counts, comment)

    def _ask_back(self, instances: list[FoundInstance], caller: str, moving: _Moving | None) -> None:
        """Recall a study; where a move asked for it, what is missing is sent when it is there."""
        study = instances[0].study
        if moving is not None:
            missing = tuple(each.sop_instance_uid for each in instances)
            self.deliveries.keep(
                Delivery(
                    moving.institution,
                    moving.originator.ae_title,
                    moving.originator.message_id,
                    moving.destination,
                    study.study_uid,
                    missing,
                    self.deliveries.now(),
                    present(),
                )
            )
        ask_back(self.stores, study, f"asked for by the device {caller}")


def _keys(request: Request, context: PresentationContext) -> Keys:
    syntax = context.transfer_syntax[0]
    if request.Identifier is None:
        raise ValueError("no identifier")
    identifier = decode(
        request.Identifier, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated
    )
    keys = attributes.keys_of(identifier)
    if not (keys.studies or keys.others):
        raise ValueError("a retrieval names something")
    return keys


def _wanted(finder: Finder, institution: InstitutionId, keys: Keys) -> list[FoundInstance]:
    if keys.level is Level.PATIENT and "patient_id" not in keys.studies:
        return []
    return [
        instance
        for study in finder.studies(institution, keys.studies)
        for instance in instances_of(finder, keys, study)
    ]


def _count(counts: Counts, instance: FoundInstance, outcome: int | None) -> None:
    counts.remaining -= 1
    if outcome is None:
        counts.failed.append(instance.sop_instance_uid)
    elif outcome == SUCCESS:
        counts.completed += 1
    elif is_taken(outcome):
        counts.warned += 1
    else:
        counts.failed.append(instance.sop_instance_uid)


def _final(counts: Counts) -> int:
    if not counts.failed and not counts.warned:
        return SUCCESS
    return SOME_FAILED if counts.completed or counts.warned else UNABLE_TO_PERFORM


class _Answering:
    """The responses to one request."""

    def __init__(self, association: Association, request: Request, context: PresentationContext) -> None:
        self._association = association
        self._request = request
        self._context = context

    @property
    def caller(self) -> str:
        return str(self._association.requestor.ae_title).strip()

    @property
    def is_cancelled(self) -> bool:
        return self._request.MessageID in self._association.dimse.cancel_req

    def pending(self, counts: Counts) -> None:
        response = self._response(PENDING, counts)
        response.NumberOfRemainingSuboperations = counts.remaining
        self._send(response)

    def end(self, status: int, counts: Counts, comment: str | None = None) -> None:
        response = self._response(status, counts)
        if comment is not None:
            response.ErrorComment = comment_of(comment)
        if status == CANCELLED:
            response.NumberOfRemainingSuboperations = counts.remaining
        if counts.failed:
            response.Identifier = io.BytesIO(self._failed(counts))
        self._send(response)

    def _response(self, status: int, counts: Counts) -> Any:  # noqa: ANN401  # two classes with equal attributes
        response = type(self._request)()
        response.MessageIDBeingRespondedTo = self._request.MessageID
        response.AffectedSOPClassUID = self._request.AffectedSOPClassUID
        response.Status = status
        response.NumberOfCompletedSuboperations = counts.completed
        response.NumberOfFailedSuboperations = len(counts.failed)
        response.NumberOfWarningSuboperations = counts.warned
        return response

    def _failed(self, counts: Counts) -> bytes:
        identifier = Dataset()
        identifier.FailedSOPInstanceUIDList = counts.failed
        syntax = self._context.transfer_syntax[0]
        return encode(identifier, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated) or b""

    def _send(self, response: Any) -> None:  # noqa: ANN401
        if self._association.is_established:
            self._association.dimse.send_msg(response, self._context.context_id or 0)
