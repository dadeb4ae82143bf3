"""Storage Commitment Push Model: N-ACTION in, N-EVENT-REPORT out (PS3.4 J.3).

The report goes in the association that asked, as long as that is open; else in a new one, to the peer of that AE title
in archive.yaml. It is tried again, at growing intervals, until the device took it or gave it up for a week.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from retention.dimse.callers import Callers
from retention.dimse.calling import call
from retention.dimse.statuses import NOT_ADMITTED, NOT_AUTHORISED, PROCESSING_FAILURE, SUCCESS, refusal
from retention.model.clock import Clock
from retention.model.errors import RetentionError
from retention.model.layout import PeerSpec
from retention.services.authorisation import Need
from retention.services.commitments import CommitmentRequest, Commitments, Undelivered

LOOK_EVERY_S = 0.5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 600.0
GIVE_UP_AFTER_S = 7 * 86400.0
NO_SUCH_ACTION, INVALID_ARGUMENT = 0x0123, 0x0115
_REQUEST_COMMITMENT = 1
_ALL_COMMITTED, _SOME_FAILED = 1, 2

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Committing:
    """Takes commitment requests, and reports. One for each receiver, with a thread of its own."""

    commitments: Commitments
    callers: Callers
    entity: AE
    root: Path
    peers: Callable[[], Sequence[PeerSpec]]
    clock: Clock
    session: str
    _asking: dict[str, Association] = field(default_factory=dict)
    _waits: dict[str, tuple[float, float]] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __call__(self, event: Event) -> tuple[int | Dataset, None]:
        """Answer an N-ACTION request: accepted once it is kept."""
        caller = str(event.assoc.requestor.ae_title).strip()
        institution = self.callers.admitted(event.assoc, Need.STORE)
        if institution is None:
            return refusal(NOT_AUTHORISED, NOT_ADMITTED), None
        if event.action_type != _REQUEST_COMMITMENT:
            return NO_SUCH_ACTION, None
        try:
            information = event.action_information
            references = tuple(
                (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
                for item in information.ReferencedSOPSequence
            )
            transaction = str(information.TransactionUID)
        except Exception:  # noqa: BLE001  # whatever a stranger's data set makes of the parser
            return refusal(INVALID_ARGUMENT, "the request cannot be understood"), None
        request = CommitmentRequest(institution, caller, transaction, references, self.commitments.now())
        try:
            name = self.commitments.ask(request, self.session)
        except RetentionError as error:
            return refusal(PROCESSING_FAILURE, error.message), None
        self._asking[name] = event.assoc
        return SUCCESS, None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="commitment")
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                for undelivered in list(self.commitments.undelivered(self.session)):
                    self._report(undelivered)
            except Exception:  # noqa: BLE001  # a report that fails is tried again
                _LOG.info("a commitment could not be reported", exc_info=True)

    def _report(self, undelivered: Undelivered) -> None:
        now_s = self.clock.monotonic_s()
        due_s, pause_s = self._waits.get(undelivered.name, (0.0, FIRST_PAUSE_S))
        if now_s < due_s:
            return
        is_over = self.commitments.age_s(undelivered.request) > GIVE_UP_AFTER_S
        if self._deliver(undelivered) or is_over:
            self.commitments.delivered(undelivered.name)
            self._asking.pop(undelivered.name, None)
            self._waits.pop(undelivered.name, None)
        else:
            self._waits[undelivered.name] = (now_s + pause_s, min(2 * pause_s, LONGEST_PAUSE_S))

    def _deliver(self, undelivered: Undelivered) -> bool:
        """Report; return whether the device took it."""
        asking = self._asking.get(undelivered.name)
        if asking is not None and asking.is_established and _send(asking, undelivered):
            return True
        peer = next((p for p in self.peers() if p.ae_title == undelivered.request.ae_title), None)
        if peer is None:
            return False
        association = call(
            self.entity,
            self.root,
            peer,
            [build_context(StorageCommitmentPushModel)],
            roles=[build_role(StorageCommitmentPushModel, scp_role=True)],
        )
        if association is None:
            return False
        try:
            return _send(association, undelivered)
        finally:
            association.release()


def _send(association: Association, undelivered: Undelivered) -> bool:
    outcome = undelivered.outcome
    try:
        status, _ = association.send_n_event_report(
            _information(undelivered),
            _SOME_FAILED if outcome.failed else _ALL_COMMITTED,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
    except (RuntimeError, ValueError):
        return False
    return bool(status) and status.Status == SUCCESS


def _information(undelivered: Undelivered) -> Dataset:
    """Return the Event Information (PS3.4 table J.3-2)."""
    information = Dataset()
    information.TransactionUID = undelivered.request.transaction_uid
    if undelivered.outcome.committed:
        information.ReferencedSOPSequence = [_item(*each) for each in undelivered.outcome.committed]
    if undelivered.outcome.failed:
        information.FailedSOPSequence = [_failed(*each) for each in undelivered.outcome.failed]
    return information


def _item(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def _failed(sop_class: str, uid: str, reason: int) -> Dataset:
    item = _item(sop_class, uid)
    item.FailureReason = reason
    return item
