"""One object on its way into a bucket.

A short one is one request, made when it is published. A long one goes in parts while it is written, several at once and
never more than a few in memory; it is under its key only when the service has put them together. The invariants: every
part carries its MD5, which the service compares on arrival; what the service says it stored is compared with what was
sent before the object counts; an answer that got lost is asked after, so that a repeated request never passes for
somebody else's object, nor somebody else's object for ours.
"""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

from retention.model.errors import ObjectExistsError, ObjectNotFoundError, ReadBackError, StorageError
from retention.model.identifiers import new_id
from retention.storage.os_errors import unfinished_gone
from retention.storage.s3_bucket import Bucket, same_etag
from retention.storage.s3_service import Answer, Refused
from retention.storage.s3_versions import Versions
from retention.storage.volume import INCOMING, Buffer, Upload

PART_BYTES = 16 << 20
PARTS_IN_FLIGHT = 4
_LARGER_AFTER_PARTS = 4000
"""Services take 10,000 parts: later ones are four times as long, which makes 450 GB in all."""

_TURNS = 64


class Parts:
    """The threads that send parts, for all uploads of a volume, and the memory they may take."""

    def __init__(self, part_bytes: int = PART_BYTES, in_flight: int = PARTS_IN_FLIGHT) -> None:
        self.part_bytes = part_bytes
        self._room = threading.BoundedSemaphore(in_flight)
        self._pool = ThreadPoolExecutor(in_flight, "s3-parts")
        self._turns = [threading.Lock() for _ in range(_TURNS)]

    def length_of(self, number: int) -> int:
        """Return how long part `number` (from 1) is, in bytes."""
        return self.part_bytes * (4 if number > _LARGER_AFTER_PARTS else 1)

    def turn(self, key: str) -> threading.Lock:
        """Return what whoever publishes under a key holds meanwhile: a service may not keep two of us apart."""
        return self._turns[hash(key) % _TURNS]

    def send(self, step: Callable[[], Part]) -> Future[Part]:
        """Do `step` in another thread, as soon as there is room for another part in memory."""
        self._room.acquire()
        try:
            sending = self._pool.submit(step)
        except BaseException:
            self._room.release()
            raise
        sending.add_done_callback(lambda _: self._room.release())
        return sending


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it was sent: the digests of its bytes, and the name the service gave it."""

    number: int
    etag: str
    md5: bytes
    sha256: bytes | None


class S3Upload(Upload):
    def __init__(
        self,
        key: str,
        session: str,
        *,
        bucket: Bucket,
        parts: Parts,
        versions: Versions,
    ) -> None:
        self.key = key
        self.size_bytes = 0
        self._note = f"{INCOMING}/{session}-{new_id()[:16]}"
        self._bucket = bucket
        self._parts = parts
        self._versions = versions
        self._token = new_id()
        self._buffer = bytearray()
        self._sending: list[Future[Part]] = []
        self._sent: list[Part] = []
        self._upload_id: str | None = None
        self._is_sealed = False
        self._is_over = False
        self._expected: tuple[str, str | None] = ("", None)

    def write(self, *pieces: Buffer) -> None:
        self._require(sealed=False)
        for piece in pieces:
            view = memoryview(piece).cast("B") if len(piece) else memoryview(b"")
            self.size_bytes += len(view)
            while view:
                length = self._parts.length_of(len(self._sending) + 1)
                room = length - len(self._buffer)
                self._buffer += view[:room]
                view = view[room:]
                if len(self._buffer) == length:
                    self._send()

    def start_write_out(self) -> None:
        self._require(sealed=False)
        if self._upload_id is not None and self._buffer:
            self._send()

    def seal(self) -> None:
        self.start_write_out()
        self._sent = [sending.result() for sending in self._sending]
        self._sending.clear()
        self._is_sealed = True

    def publish(self) -> None:
        self._require(sealed=True)
        with self._parts.turn(self.key):
            self._publish()

    def _publish(self) -> None:
        found = self._publish_short() if self._upload_id is None else self._publish_long()
        self._is_over = True
        version = found.get("VersionId")
        try:
            self._compare(found)
            version = self._only(version)
        except StorageError:
            # It is there and must not count: whoever hears of the failure believes that nothing is.
            with suppress(Refused, StorageError):
                self._versions.remove_version(self.key, version)
            raise
        finally:
            self._buffer.clear()
            self._forget()

    def abort(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        for sending in self._sending:
            sending.cancel()
        wait(self._sending)
        self._buffer.clear()
        if self._upload_id is not None:
            with suppress(Refused):
                self._bucket.call("abort_multipart_upload", self.key, UploadId=self._upload_id)
        self._forget()

    def prove(self) -> None:
        """Compare what the service says it stored with what was sent. Raises ReadBackError, ObjectNotFoundError."""
        self._compare(self._bucket.head(self.key, **self._checksums_wanted()))

    # how it is done

    def _send(self) -> None:
        """Send what is buffered as the next part."""
        if self._upload_id is None:
            self._upload_id = self._begin()
        data, self._buffer = self._buffer, bytearray()
        number, upload_id = len(self._sending) + 1, self._upload_id
        self._sending.append(self._parts.send(lambda: self._send_part(number, data, upload_id)))

    def _begin(self) -> str:
        checksums = {"ChecksumAlgorithm": "SHA256"} if self._bucket.service.keeps_checksums else {}
        with self._bucket.translated(self.key):
            begun = self._bucket.call(
                "create_multipart_upload",
                self.key,
                Metadata={"upload": self._token},
                **self._bucket.storage_class(self.key),
                **checksums,
            )
            upload_id = str(begun["UploadId"])
            note = json.dumps({"key": self.key, "upload": upload_id}).encode()
            self._bucket.call("put_object", self._note, Body=note)
        return upload_id

    def _send_part(self, number: int, data: bytearray, upload_id: str) -> Part:
        digests = self._digests(data)
        try:
            with self._bucket.translated(self.key):
                answer = self._bucket.call(
                    "upload_part",
                    self.key,
                    UploadId=upload_id,
                    PartNumber=number,
                    Body=data,
                    **_sent_with(digests),
                )
        except ObjectNotFoundError as error:
            raise unfinished_gone(self._bucket.volume, self.key) from error
        md5, sha256 = digests
        if same_etag(answer, md5.hex()) is False:
            raise self._differs(f"part {number} has the ETag {answer['ETag']}")
        return Part(number, answer["ETag"], md5, sha256)

    def _publish_short(self) -> Answer:
        data = bytes(self._buffer)
        md5, sha256 = digests = self._digests(data)
        self._expected = (md5.hex(), None if sha256 is None else b64encode(sha256).decode())
        return self._ours_or(
            lambda: self._bucket.call(
                "put_object",
                self.key,
                Body=data,
                IfNoneMatch="*",
                Metadata={"upload": self._token},
                **self._bucket.storage_class(self.key),
                **_sent_with(digests),
            )
        )

    def _publish_long(self) -> Answer:
        self._expected = _composite(self._sent)
        listed = [_listed(part) for part in self._sent]
        # Some services look at If-None-Match for short objects only: a name that is taken is seen here.
        with suppress(ObjectNotFoundError):
            if self._bucket.head(self.key).get("Metadata", {}).get("upload") != self._token:
                raise self._exists()
        completed = self._ours_or(
            lambda: self._bucket.call(
                "complete_multipart_upload",
                self.key,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": listed},
                IfNoneMatch="*",
            )
        )
        return completed | self._bucket.head(self.key, **self._checksums_wanted())

    def _ours_or(self, publish: Callable[[], Answer]) -> Answer:
        """Publish; if the service says that the name is taken, or the upload gone, look whether that was us.

        So it is when the answer to our request got lost and it was made again.
        """
        try:
            return publish()
        except Refused as refused:
            if refused.code == "ConditionalRequestConflict" or refused.status == 412 or refused.is_missing:
                with suppress(StorageError):
                    found = self._bucket.head(self.key, **self._checksums_wanted())
                    if found.get("Metadata", {}).get("upload") == self._token:
                        return found
            if refused.code == "NoSuchUpload":
                raise unfinished_gone(self._bucket.volume, self.key) from refused
            with self._bucket.translated(self.key):
                raise

    def _only(self, version: str | None) -> str | None:
        """See that a bucket with versions did not take this one on top of another; return the version that counts.

        AWS looks at the condition there too. Others may not: then the first that came counts, and if that was ours, its
        repetitions (an answer that got lost) go. Raises ObjectExistsError.
        """
        if version in (None, "null") or self._bucket.spec.s3.endpoint is None:
            return version
        lying = self._versions.lying(self.key)
        if lying in ([version], []):
            return version
        heads = {each: self._bucket.head(self.key, VersionId=each) for each in lying}
        ours = [each for each in lying if heads[each].get("Metadata", {}).get("upload") == self._token]
        is_first = lying[0] in ours
        for repeated in ours[is_first:]:
            self._versions.remove_version(self.key, repeated)
        if not is_first:
            raise self._exists()
        return lying[0]

    def _exists(self) -> ObjectExistsError:
        volume = self._bucket.volume
        return ObjectExistsError(f"volume {volume}: {self.key} exists already", volume=volume, key=self.key)

    def _compare(self, found: Answer) -> None:
        """Compare what the service says of the object with what was sent. Raises ReadBackError."""
        md5, sha256 = self._expected
        size_bytes = found.get("ContentLength", self.size_bytes)
        if size_bytes != self.size_bytes:
            raise self._differs(f"{size_bytes} bytes in place of {self.size_bytes}")
        checksum = found.get("ChecksumSHA256")
        if checksum is not None and sha256 is not None and checksum != sha256:
            raise self._differs(f"its SHA-256 is {checksum}")
        if same_etag(found, md5) is False:
            raise self._differs(f"its ETag is {found['ETag']}")

    def _differs(self, what: str) -> ReadBackError:
        volume = self._bucket.volume
        return ReadBackError(
            f"volume {volume} did not store what was sent for {self.key}: {what}",
            hint="look at the network and at what lies between here and the service, then store it again",
            volume=volume,
            key=self.key,
        )

    def _digests(self, data: bytes | bytearray) -> tuple[bytes, bytes | None]:
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        return md5, hashlib.sha256(data).digest() if self._bucket.service.keeps_checksums else None

    def _checksums_wanted(self) -> dict[str, str]:
        return {"ChecksumMode": "ENABLED"} if self._bucket.service.keeps_checksums else {}

    def _forget(self) -> None:
        """Remove the note of a long upload; what cannot be removed now, its session's end removes."""
        if self._upload_id is not None:
            with suppress(StorageError):
                self._versions.remove([self._note])

    def _require(self, *, sealed: bool) -> None:
        if self._is_over or self._is_sealed is not sealed:
            raise RuntimeError(f"upload of {self.key}: not {'sealed' if sealed else 'open'} any more or yet")


def _sent_with(digests: tuple[bytes, bytes | None]) -> dict[str, str]:
    md5, sha256 = digests
    sent = {"ContentMD5": b64encode(md5).decode()}
    return sent if sha256 is None else sent | {"ChecksumSHA256": b64encode(sha256).decode()}


def _listed(part: Part) -> dict[str, object]:
    listed: dict[str, object] = {"PartNumber": part.number, "ETag": part.etag}
    return listed if part.sha256 is None else listed | {"ChecksumSHA256": b64encode(part.sha256).decode()}


def _composite(parts: list[Part]) -> tuple[str, str | None]:
    """Return what ETag and SHA-256 of an object in parts are: digests of the parts' digests, and how many."""
    md5 = hashlib.md5(b"".join(part.md5 for part in parts), usedforsecurity=False).hexdigest()
    hashes = [part.sha256 for part in parts if part.sha256 is not None]
    if len(hashes) != len(parts):
        return f"{md5}-{len(parts)}", None
    return (
        f"{md5}-{len(parts)}",
        f"{b64encode(hashlib.sha256(b''.join(hashes)).digest()).decode()}-{len(parts)}",
    )
