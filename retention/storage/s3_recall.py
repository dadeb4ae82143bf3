"""Archived S3 storage classes: what an object's headers say of its state, and how it is asked for.

ARCHIVED → (RestoreObject) REQUESTED → READY until … → ARCHIVED. The state is the service's. It does not say when an
object will be ready: that is an estimate (the tier's own `recall` if it is given, else what AWS documents), noted
beside the object when it is asked for. Whether a service answers at once for all its classes, as Ceph does, is found
out once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from retention.model.clock import Clock
from retention.model.errors import NotReadyError
from retention.model.layout import RecallSpec
from retention.storage.recall_notes import RecallNote, note_key
from retention.storage.s3_bucket import Bucket
from retention.storage.s3_service import Answer, Refused
from retention.storage.volume import ONLINE, Availability, RecallState, Urgency

ARCHIVED_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_ARCHIVED = Availability(RecallState.ARCHIVED)
_TIERS = {Urgency.ROUTINE: "Bulk", Urgency.SOON: "Standard", Urgency.EMERGENCY: "Expedited"}
_EXPECTED = {
    ("GLACIER", "Bulk"): timedelta(hours=12),
    ("GLACIER", "Standard"): timedelta(hours=5),
    ("GLACIER", "Expedited"): timedelta(minutes=5),
    ("DEEP_ARCHIVE", "Bulk"): timedelta(hours=48),
    ("DEEP_ARCHIVE", "Standard"): timedelta(hours=12),
}
_RESTORE = re.compile(r'ongoing-request="(true|false)"(?:, *expiry-date="([^"]+)")?')


def state_of(answer: Answer, now: datetime) -> Availability:
    """Return what HEAD's headers say: storage class and `x-amz-restore`. Nothing is asked.

    A class that cannot be read at once, without a restored copy, is ARCHIVED here; whether the service reads it all the
    same only reading shows.
    """
    if answer.get("StorageClass") not in ARCHIVED_CLASSES:
        return ONLINE
    found = _RESTORE.match(str(answer.get("Restore", "")))
    if found is None:
        return _ARCHIVED
    if found[1] == "true":
        return Availability(RecallState.REQUESTED)
    until_at = None if found[2] is None else parsedate_to_datetime(found[2]).astimezone(UTC)
    if until_at is not None and until_at <= now:
        return _ARCHIVED
    return Availability(RecallState.READY, None, until_at)


class Recalls:
    """Asks for archived objects of one volume."""

    def __init__(self, bucket: Bucket, recall: RecallSpec | None, clock: Clock) -> None:
        self._bucket = bucket
        self._recall = recall
        self._clock = clock
        self._answers_at_once = False

    def availability(self, key: str) -> Availability:
        """Raises ObjectNotFoundError, StorageError."""
        found = self.told(key)
        return ONLINE if found.state is RecallState.ARCHIVED and self._is_read_at_once(key) else found

    def told(self, key: str) -> Availability:
        """What headers and note say, without trying to read. Raises ObjectNotFoundError, StorageError."""
        return self._estimated(key, state_of(self._bucket.head(key), self._clock.now()))

    def request(self, key: str, urgency: Urgency, keep: timedelta) -> Availability:
        """Ask for an object, or for more time, or to have it sooner. Raises ObjectNotFoundError, StorageError."""
        answer = self._bucket.head(key)
        found = state_of(answer, self._clock.now())
        if found.state is RecallState.ONLINE or self._answers_at_once:
            return ONLINE
        if found.state is RecallState.READY and found.until_at is not None:
            keep = max(keep, found.until_at - self._clock.now())
        storage_class = str(answer["StorageClass"])
        tier = _TIERS[urgency]
        if (storage_class, tier) not in _EXPECTED:
            tier = "Standard"  # the deepest class has nothing faster
        days = max(1, -(-keep // timedelta(days=1)))
        return self._ask(key, storage_class, tier, days)

    def _ask(self, key: str, storage_class: str, tier: str, days: int) -> Availability:
        wanted = {"Days": days, "GlacierJobParameters": {"Tier": tier}}
        with self._bucket.translated(key):
            try:
                self._bucket.call("restore_object", key, RestoreRequest=wanted)
            except Refused as refused:
                if refused.code == "GlacierExpeditedRetrievalNotAvailable":
                    return self._ask(key, storage_class, "Standard", days)
                if refused.code == "ObjectAlreadyInActiveTierError":
                    return ONLINE
                if refused.status in (405, 501) and self._is_read_at_once(key):
                    return ONLINE
                if refused.code == "RestoreAlreadyInProgress":
                    return self._estimated(key, Availability(RecallState.REQUESTED))
                raise
        found = state_of(self._bucket.head(key), self._clock.now())
        if found.state is not RecallState.REQUESTED:
            return found
        ready_at = self._clock.now() + self._expected(storage_class, tier)
        with self._bucket.translated(key):
            self._bucket.call("put_object", note_key(key), Body=RecallNote(ready_at).encode(key))
        return Availability(RecallState.REQUESTED, ready_at)

    def _estimated(self, key: str, found: Availability) -> Availability:
        """Add the estimate that was noted when an object under way was asked for, unless that time has passed."""
        if found.state is not RecallState.REQUESTED:
            return found
        try:
            data, _ = self._bucket.get(note_key(key))
        except Refused:
            return found
        noted = RecallNote.decode(data)
        if noted is None or noted.ready_at <= self._clock.now():
            return found
        return Availability(RecallState.REQUESTED, noted.ready_at)

    def _expected(self, storage_class: str, tier: str) -> timedelta:
        by_aws = _EXPECTED[storage_class, tier]
        if self._recall is None:
            return by_aws
        return self._recall.delay * (by_aws / _EXPECTED[storage_class, "Bulk"])

    def _is_read_at_once(self, key: str) -> bool:
        """Whether this service reads what others archive: asked once, for one byte."""
        if not self._answers_at_once:
            try:
                with self._bucket.translated(key):
                    self._bucket.get(key, Range="bytes=0-0")
            except NotReadyError:
                return False
            self._answers_at_once = True
        return True
