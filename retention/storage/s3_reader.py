"""One object of a bucket opened for reading.

Shards are read in small pieces, one after the other, and every request costs a round trip: what follows what was read
last is fetched ahead, in windows that grow while reading goes on so. The invariant: all that one reader gives comes
from one version of the object; memory stays at two windows.
"""

from __future__ import annotations

import threading
from typing import Self

from retention.model.errors import ObjectNotFoundError, StorageError, VolumeUnavailableError
from retention.storage.s3_bucket import Bucket
from retention.storage.s3_service import Answer, Refused
from retention.storage.volume import ObjectReader

FIRST_BYTES = 64 << 10
AHEAD_LIMIT_BYTES = 8 << 20


class S3Reader(ObjectReader):
    """The object as it was when it was opened; replaced or removed since, it cannot be read any more."""

    def __init__(
        self, bucket: Bucket, key: str, size_bytes: int, first: bytes, same: dict[str, object]
    ) -> None:
        self.size_bytes = size_bytes
        self._bucket = bucket
        self._key = key
        self._same = same
        self._lock = threading.Lock()
        self._head = first
        self._window, self._window_start, self._ahead_bytes = first, 0, FIRST_BYTES

    @classmethod
    def open(cls, bucket: Bucket, key: str, version: str | None = None) -> Self:
        """Open (a version of) an object by reading the beginning: one request.

        Raises ObjectNotFoundError, NotReadyError, StorageError.
        """
        which = {} if version is None else {"VersionId": version}
        with bucket.translated(key):
            try:
                first, answer = bucket.get(key, Range=f"bytes=0-{FIRST_BYTES - 1}", **which)
            except Refused as refused:
                if refused.status != 416:  # no such range: the object is empty
                    raise
                first, answer = b"", bucket.call("head_object", key, **which)
        size_bytes = _whole_size(answer)
        version = answer.get("VersionId")
        same = {"VersionId": version} if version not in (None, "null") else {"IfMatch": answer.get("ETag")}
        return cls(bucket, key, size_bytes, first, same)

    def read_at(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size_bytes)
        if offset >= end:
            return b""
        if end <= len(self._head):
            return self._head[offset:end]
        with self._lock:
            start = self._window_start
            stop = start + len(self._window)
            if start <= offset and end <= stop:
                return self._window[offset - start : end - start]
            kept = self._window[offset - start :] if start <= offset < stop else b""
            follows = start <= offset <= stop
            self._ahead_bytes = min(self._ahead_bytes * 2, AHEAD_LIMIT_BYTES) if follows else FIRST_BYTES
            fetch_from = offset + len(kept)
            fetched = self._fetch(fetch_from, max(end - fetch_from, self._ahead_bytes))
            self._window, self._window_start = kept + fetched, offset
            return self._window[: end - offset]

    def close(self) -> None:
        """There is nothing to give back."""

    def _fetch(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size_bytes)
        try:
            with self._bucket.translated(self._key):
                data, _ = self._bucket.get(self._key, Range=f"bytes={offset}-{end - 1}", **self._same)
        except StorageError as error:
            if isinstance(error, ObjectNotFoundError) or not _has_changed(error):
                raise
            raise ObjectNotFoundError(
                f"volume {self._bucket.volume}: {self._key} is another object now", volume=self._bucket.volume
            ) from error
        if len(data) != end - offset:
            raise VolumeUnavailableError(
                f"volume {self._bucket.volume}: {len(data)} bytes of {self._key} came where {end - offset} were wanted",
                hint="look at the service, and at what lies between here and it",
                volume=self._bucket.volume,
            )
        return data


def _whole_size(answer: Answer) -> int:
    of_all = str(answer.get("ContentRange", "")).rpartition("/")[2]
    return int(of_all) if of_all.isdecimal() else int(answer["ContentLength"])


def _has_changed(error: StorageError) -> bool:
    return isinstance(error.__cause__, Refused) and error.__cause__.status == 412
