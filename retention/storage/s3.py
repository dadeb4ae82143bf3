"""The S3 driver: a volume on a prefix of a bucket, of AWS or of any service that speaks as S3 does.

The invariant is the contract's, by these means: an object is put whole or in parts that become one in one step, never
over another (`If-None-Match: *`); what the service stored is compared with what was sent; 403 is never "missing"; a
volume whose identity is not the one expected is neither read nor written. What S3 cannot do (append, cut) is refused.

Services differ. The order of things here is what both AWS and Ceph bear, as measured: docs/operators.md says what was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from retention.model.clock import Clock
from retention.model.errors import NotReadyError, StorageError, UsageError, VolumeUnavailableError
from retention.model.layout import VolumeSpec
from retention.storage.identity import IDENTITY_KEY, DeviceRecord, VolumeIdentity
from retention.storage.recall_notes import note_key
from retention.storage.s3_bucket import Bucket
from retention.storage.s3_lock import ObjectLock
from retention.storage.s3_reader import S3Reader
from retention.storage.s3_recall import ARCHIVED_CLASSES, Recalls
from retention.storage.s3_service import Refused, S3Service
from retention.storage.s3_upload import Parts, S3Upload
from retention.storage.s3_versions import Versions
from retention.storage.state import VolumeState, judge, not_ready, unavailable
from retention.storage.volume import (
    INCOMING,
    SLOW_PREFIX,
    Availability,
    ObjectReader,
    ObjectStat,
    RecallState,
    Upload,
    Urgency,
    Volume,
    check_key,
    check_session,
    check_writable,
    is_key,
)

TRUST_S = 60.0
"""So long a look at the volume's identity counts; a "not there" is always followed by another look."""
STALE_AFTER = timedelta(days=7)


class S3Volume(Volume):
    """A volume in the bucket and below the prefix of `spec.url`; `expected` and `recorded` as for DirectoryVolume.

    `clock` is the machine's own: the service counts in that. `trust_s`: see TRUST_S.
    """

    supports_append = False
    is_remote = True

    def __init__(
        self,
        spec: VolumeSpec,
        service: S3Service,
        clock: Clock,
        *,
        expected: VolumeIdentity | None = None,
        recorded: DeviceRecord | None = None,
        parts: Parts | None = None,
        trust_s: float = TRUST_S,
    ) -> None:
        self.spec = spec
        self._clock = clock
        self._expected = expected
        self._recorded = recorded
        self._parts = parts or Parts()
        self._trust_s = trust_s
        self._ready_until_s = float("-inf")
        self._why: StorageError | None = None
        self.bucket = Bucket(spec, service, self.probe)
        self._lock = ObjectLock(self.bucket, spec.s3.object_lock, clock)
        self._versions = Versions(self.bucket, self._lock)
        self._recalls = Recalls(self.bucket, spec.recall, clock)

    # objects, put once

    def begin(self, key: str, session: str) -> Upload:
        self._require_ready()
        check_key(key)
        check_session(session)
        return S3Upload(key, session, bucket=self.bucket, parts=self._parts, versions=self._versions)

    def flush(self) -> None:
        """There is nothing to wait for: what the service has confirmed is durable."""

    def open(self, key: str, *, from_medium: bool = False) -> ObjectReader:
        del from_medium  # every reading asks the service
        self._require_readable()
        try:
            return S3Reader.open(self.bucket, check_key(key))
        except NotReadyError as error:
            found = self._recalls.told(key)
            is_requested = found.state is RecallState.REQUESTED
            raise not_ready(self.name, key, found.ready_at, is_requested=is_requested) from error

    def read_back(self, upload: Upload) -> ObjectReader | None:
        self._require_readable()
        try:
            return S3Reader.open(self.bucket, upload.key)
        except NotReadyError:
            if not isinstance(upload, S3Upload):
                raise
            upload.prove()
            return None

    def earlier(self, key: str) -> Iterator[ObjectReader | None]:
        self._require_readable()
        for found in self._versions.of(check_key(key)):
            if not found.is_latest and not found.is_marker:
                try:
                    yield S3Reader.open(self.bucket, key, found.version)
                except NotReadyError:
                    yield None

    def availability(self, key: str) -> Availability:
        self._require_readable()
        return self._recalls.availability(check_key(key))

    def recall(self, key: str, *, urgency: Urgency, keep: timedelta) -> Availability:
        self._require_readable()
        return self._recalls.request(check_key(key), urgency, keep)

    def stat(self, key: str) -> ObjectStat:
        self._require_readable()
        head = self.bucket.head(check_key(key))
        return ObjectStat(key, int(head["ContentLength"]), str(head.get("ETag", "")))

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        self._require_readable()
        return self._list(prefix)

    def delete_many(self, keys: Iterable[str]) -> int:
        self._require_ready()
        asked = [check_key(key) for key in keys]
        slow = self.spec.s3.storage_class in ARCHIVED_CLASSES
        if slow and (notes := [note_key(key) for key in asked if key.startswith(SLOW_PREFIX)]):
            self._versions.remove(notes)
        return self._versions.remove(asked)

    # documents

    def replace(self, key: str, data: bytes) -> None:
        self._require_ready()
        self._replace(check_writable(key), data)

    def append(self, key: str, data: bytes, expected_size: int | None = None) -> None:
        del data, expected_size
        raise self._cannot(check_writable(key), "appended to")

    def truncate(self, key: str, size_bytes: int) -> None:
        del size_bytes
        raise self._cannot(check_writable(key), "cut")

    # locks

    def lock(self, key: str, *, keep_until: datetime | None = None) -> datetime | None:
        self._require_ready()
        return self._lock.extend(check_key(key), keep_until)

    def hold(self, key: str, *, on: bool) -> bool:
        self._require_ready()
        self._lock.hold(check_key(key), on=on)
        return True

    def sweep(self, may_go: Callable[[str], bool]) -> int:
        self._require_ready()
        self._abort_stale()
        return self._versions.sweep(SLOW_PREFIX, may_go)

    # the volume itself

    def probe(self) -> VolumeState:
        self._ready_until_s = float("-inf")
        self._why = None
        try:
            found = self.identity()
        except StorageError as error:
            self._why = error
            return VolumeState.MISSING
        here = self.bucket.device
        state = judge(self.name, found=found, expected=self._expected, here=here, recorded=self._recorded)
        if state is VolumeState.READY:
            self._ready_until_s = self._clock.monotonic_s() + self._trust_s
        return state

    @property
    def is_suspect(self) -> bool:
        return False

    def identity(self) -> VolumeIdentity | None:
        try:
            data, _ = self.bucket.get(IDENTITY_KEY)
        except Refused as refused:
            if refused.code == "NoSuchKey":
                return None
            with self.bucket.translated(None):
                raise
        return VolumeIdentity.decode(data)

    def device(self) -> DeviceRecord:
        self.identity()
        return self.bucket.device

    def initialise(self, identity: VolumeIdentity) -> DeviceRecord:
        found = self.identity()
        if found is None and next(self._list(""), None) is not None:
            raise UsageError(f"volume {self.name}: {self.spec.url} is not empty", volume=self.name)
        if found is not None and not found.is_same(identity):
            raise UsageError(f"volume {self.name}: {self.spec.url} is another volume", volume=self.name)
        if (why_not := self._lock.check_bucket()) is not None:
            hint = (
                "make a bucket with Object Lock, or take `object_lock` away from this volume in archive.yaml"
            )
            raise UsageError(f"volume {self.name}: {why_not}", hint=hint, volume=self.name)
        return self.settle(identity, write=found is None)

    def settle(self, identity: VolumeIdentity, *, write: bool) -> DeviceRecord:
        if write:
            self._replace(IDENTITY_KEY, identity.encode())
        self._expected, self._recorded = identity, self.device()
        return self._recorded

    def incoming_sessions(self) -> set[str]:
        self._require_readable()
        return {name.rpartition("-")[0] for name in self._notes(f"{INCOMING}/")}

    def discard_incoming(self, session: str) -> int:
        self._require_ready()
        names = list(self._notes(f"{INCOMING}/{check_session(session)}-"))
        for name in names:
            self._abort(f"{INCOMING}/{name}")
        return len(names)

    def free_bytes(self) -> int | None:
        return None

    def total_bytes(self) -> int | None:
        return None

    # how it is done

    def _list(self, prefix: str) -> Iterator[ObjectStat]:
        for found in self.bucket.pages("list_objects_v2", prefix, "Contents"):
            key = found["Key"]
            if is_key(key):
                yield ObjectStat(key, int(found["Size"]))

    def _replace(self, key: str, data: bytes) -> None:
        with self.bucket.translated(key):
            put = self.bucket.call("put_object", key, Body=data)
        if put.get("VersionId") not in (None, "null"):
            # What a document said before is nobody's business any more: a key may just have been taken out of it.
            self._versions.remove_earlier(key)

    def _notes(self, prefix: str) -> Iterator[str]:
        for found in self.bucket.pages("list_objects_v2", prefix, "Contents"):
            yield found["Key"].removeprefix(f"{INCOMING}/")

    def _abort(self, note: str) -> None:
        """Abort the upload that a note is about, then remove the note."""
        try:
            data, _ = self.bucket.get(note)
            noted = json.loads(data)
            self.bucket.call("abort_multipart_upload", str(noted["key"]), UploadId=str(noted["upload"]))
        except Refused as refused:
            if not refused.is_missing:  # it ended meanwhile
                with self.bucket.translated(None):
                    raise
        except (ValueError, KeyError, TypeError):
            pass  # a damaged note: the upload is aborted when it is stale
        self._versions.remove([note])

    def _abort_stale(self) -> None:
        """Abort what nobody can be writing any more, noted or not: its parts cost as much as objects do."""
        too_old = self._clock.now() - STALE_AFTER
        for found in list(self.bucket.pages("list_multipart_uploads", "", "Uploads")):
            if found["Initiated"] < too_old:
                with suppress(Refused):
                    self.bucket.call("abort_multipart_upload", found["Key"], UploadId=found["UploadId"])

    def _cannot(self, key: str, what: str) -> VolumeUnavailableError:
        return VolumeUnavailableError(
            f"volume {self.name}: {key} cannot be {what}, nor can any object on S3",
            hint="journal and keyring lie on other volumes",
            volume=self.name,
            key=key,
        )

    def _look(self) -> VolumeState:
        is_trusted = self._clock.monotonic_s() < self._ready_until_s
        return VolumeState.READY if is_trusted else self.probe()

    def _require_ready(self) -> None:
        if (state := self._look()) is not VolumeState.READY:
            raise self._refusal(state)

    def _require_readable(self) -> None:
        if not (state := self._look()).is_readable:
            raise self._refusal(state)

    def _refusal(self, state: VolumeState) -> StorageError:
        """Say what the service said, if that is why the volume cannot be used."""
        return (
            self._why
            if state is VolumeState.MISSING and self._why is not None
            else unavailable(self.name, state)
        )
