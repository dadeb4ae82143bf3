"""When a recalled study can be read again: moves that waited for it are made, and peers are told (PS3.4 Annex R).

One receiver of an archive attends to this. What does not succeed is tried again, at growing intervals.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    InstanceAvailabilityNotification,
)

from retention.catalog.recalls import RecallProgress, RecallRecord
from retention.dimse.callers import Callers
from retention.dimse.calling import call
from retention.dimse.sending import Originator, contexts_for, send
from retention.dimse.statuses import SUCCESS, is_taken
from retention.model.errors import NotReadyError, RetentionError
from retention.model.identifiers import InstitutionId
from retention.model.layout import PeerSpec
from retention.model.matching import Kind, match_of
from retention.services.access import PackageAccess
from retention.services.deliveries import Deliveries, Delivery
from retention.services.finding import ONLINE, Finder, FoundInstance, FoundStudy
from retention.services.reading import Disclosure, ask_back, read_instances
from retention.services.stores import Stores

LOOK_EVERY_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 600.0

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class AfterRecall:
    """Delivers and notifies, in a thread of its own."""

    stores: Stores
    callers: Callers
    entity: AE
    peers: Callable[[], Sequence[PeerSpec]]
    deliveries: Deliveries
    _waits: dict[str, tuple[float, float]] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="after-recall")
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                with self.deliveries.attending() as is_ours:
                    while is_ours and not self._stopped.is_set():
                        self.look()
                        self._stopped.wait(LOOK_EVERY_S)
            except Exception:  # noqa: BLE001  # what fails is tried again
                _LOG.info("what was recalled could not be delivered", exc_info=True)

    def look(self) -> None:
        """Do what can be done now."""
        for name, delivery in self.deliveries.waiting():
            if self._succeeds(name, partial(self._deliver, delivery)):
                self.deliveries.done(name)
        open_recalls = self.stores.catalog.recalls.open()
        self.deliveries.forget_others(frozenset(recall.recall_id for recall in open_recalls))
        for recall in open_recalls:
            for peer in self._to_tell(recall):
                if self._succeeds(f"{recall.recall_id}-{peer.name}", partial(self._notify, recall, peer)):
                    self.deliveries.told(recall.recall_id, peer.name)

    def _succeeds(self, name: str, act: Callable[[], bool]) -> bool:
        """Try, if it is time to; return whether it succeeded."""
        now_s = self.stores.clock.monotonic_s()
        due_s, pause_s = self._waits.get(name, (0.0, FIRST_PAUSE_S))
        if now_s < due_s:
            return False
        try:
            is_done = act()
        except NotReadyError:
            return False
        except RetentionError as error:
            _LOG.info("%s: %s", name, error.message)
            is_done = False
        except Exception:  # noqa: BLE001  # whatever is wrong with one, the others do not wait for it
            _LOG.warning("%s did not succeed", name, exc_info=True)
            is_done = False
        if is_done:
            self._waits.pop(name, None)
        else:
            self._waits[name] = (now_s + pause_s, min(2 * pause_s, LONGEST_PAUSE_S))
        return is_done

    def _deliver(self, delivery: Delivery) -> bool:
        """Send what a move waits for; return whether that is over. Raises NotReadyError as long as it is recalled."""
        access = PackageAccess(self.stores)
        finder = Finder(self.stores, access)
        study = _study(finder, delivery.institution, delivery.study_uid)
        if study is None:
            return True  # it is not held any more
        if study.availability != ONLINE:
            ask_back(self.stores, study, f"asked for by the device {delivery.caller}")
            raise NotReadyError("it is being recalled")
        wanted = [i for i in finder.instances(study) if i.sop_instance_uid in delivery.instances]
        if self.callers.institution_of(delivery.caller) != delivery.institution:
            return True  # whose device asked for it may not any more
        peer = self.callers.destination(delivery.destination, delivery.institution)
        return peer is None or not wanted or self._send(access, peer, delivery, wanted)

    def _send(
        self, access: PackageAccess, peer: PeerSpec, delivery: Delivery, wanted: list[FoundInstance]
    ) -> bool:
        contexts = [build_context(UID(each), list(syntaxes)) for each, syntaxes in contexts_for(wanted)]
        out = call(self.entity, self.stores.root, peer, contexts)
        if out is None:
            return False
        originator = Originator(delivery.caller, delivery.message_id)
        disclosure, is_whole = Disclosure(asked_by=delivery.asked_by), True
        try:
            disclosure.intend(self.stores, wanted)
            for number, (instance, file) in enumerate(read_instances(self.stores, access, wanted), 1):
                is_given = isinstance(file, bytes) and is_taken(send(out, instance, file, number, originator))
                disclosure.count(instance, is_given=is_given)
                is_whole &= is_given
        finally:
            disclosure.record(self.stores)
            out.release()
        return is_whole

    def _to_tell(self, recall: RecallRecord) -> list[PeerSpec]:
        if recall.state is not RecallProgress.READY or recall.institution is None:
            return []
        return [
            peer
            for peer in self.peers()
            if peer.is_notified
            and peer.institution in (None, recall.institution)
            and not self.deliveries.is_told(recall.recall_id, peer.name)
        ]

    def _notify(self, recall: RecallRecord, peer: PeerSpec) -> bool:
        """Tell a peer; return whether it took it, or there is nothing to tell any more."""
        institution = self.callers.named(recall.institution or "")
        if institution is None or recall.study_uid is None:
            return True
        finder = Finder(self.stores, PackageAccess(self.stores))
        study = _study(finder, institution, recall.study_uid)
        if study is None:
            return True
        notice = notification(finder.instances(study), study, self.entity.ae_title)
        out = call(self.entity, self.stores.root, peer, [build_context(InstanceAvailabilityNotification)])
        if out is None:
            return False
        try:
            status, _ = out.send_n_create(notice, InstanceAvailabilityNotification, generate_uid(None))
        except (RuntimeError, ValueError):
            return False
        finally:
            out.release()
        return bool(status) and status.Status == SUCCESS


def notification(instances: Sequence[FoundInstance], study: FoundStudy, ae_title: str) -> Dataset:
    """Return the attribute list of an Instance Availability Notification (PS3.4 table R.3.2-1)."""
    notice = Dataset()
    notice.ReferencedPerformedProcedureStepSequence = []
    notice.StudyInstanceUID = study.study_uid
    by_series: dict[str, list[Dataset]] = {}
    for instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID = instance.sop_class_uid or ""
        item.ReferencedSOPInstanceUID = instance.sop_instance_uid
        item.InstanceAvailability = study.availability
        item.RetrieveAETitle = ae_title
        by_series.setdefault(instance.series_uid, []).append(item)
    notice.ReferencedSeriesSequence = [_series(uid, items) for uid, items in by_series.items()]
    return notice


def _series(uid: str, items: list[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = uid
    series.ReferencedSOPSequence = items
    return series


def _study(finder: Finder, institution: InstitutionId, study_uid: str) -> FoundStudy | None:
    match = match_of(Kind.UID, study_uid)
    if match is None:
        return None
    return next(iter(finder.studies(institution, {"study_uid": match})), None)
