"""Removing objects from a bucket, with every version there ever was under their keys.

The invariant: what is removed is gone, or it is said until when it stays. What a lock keeps is hidden behind a delete
marker, as if it were removed, and goes when the lock is over (`sweep`); what a legal hold keeps is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from retention.model.errors import ObjectLockedError
from retention.storage.s3_bucket import Bucket
from retention.storage.s3_lock import ObjectLock

REMOVED_TOGETHER = 1000
"""As many as one request takes."""


@dataclass(frozen=True, slots=True)
class Version:
    """One thing that lies, or lay, under a key. A marker has no bytes and says that the object was removed."""

    key: str
    version: str
    is_latest: bool
    is_marker: bool
    made_at: datetime


class Versions:
    """All versions of a volume's objects."""

    def __init__(self, bucket: Bucket, lock: ObjectLock) -> None:
        self._bucket = bucket
        self._lock = lock

    def of(self, key: str) -> list[Version]:
        """Return all there is under one key, the latest first. Raises StorageError."""
        return [found for found in self.below(key) if found.key == key]

    def below(self, prefix: str) -> Iterator[Version]:
        """Yield every version of every key with a prefix. Raises StorageError."""
        for marker in (False, True):
            listed = "DeleteMarkers" if marker else "Versions"
            for found in self._bucket.pages("list_object_versions", prefix, listed):
                yield Version(
                    found["Key"], found["VersionId"], bool(found["IsLatest"]), marker, found["LastModified"]
                )

    def lying(self, key: str) -> list[str]:
        """Return the versions that lie under a key since it was last free, the oldest first. Raises StorageError."""
        found = self.of(key)
        freed_at = max((each.made_at for each in found if each.is_marker), default=None)
        return [
            each.version
            for each in reversed(found)
            if not each.is_marker and (freed_at is None or each.made_at >= freed_at)
        ]

    def remove_version(self, key: str, version: str | None) -> None:
        """Remove one version alone, the object if it has none. Raises Refused, StorageError."""
        which = {} if version in (None, "null") else {"VersionId": version}
        self._bucket.call("delete_object", key, **which)

    def remove(self, keys: Iterable[str]) -> int:
        """Remove the objects with all their versions; return how many there were.

        Raises ObjectLockedError for what is locked, after everything else is gone and the locked ones are hidden (not
        those on hold); StorageError.
        """
        found = [version for key in dict.fromkeys(keys) for version in self.of(key)]
        refused = self._remove(found)
        locked = [self._hidden(version) for version in refused]
        if locked:
            raise max(locked, key=_how_long)
        return sum(version.is_latest and not version.is_marker for version in found)

    def remove_earlier(self, key: str) -> None:
        """Remove all versions of a key but the latest. Raises StorageError; what is locked stays."""
        self._remove([version for version in self.of(key) if not version.is_latest])

    def sweep(self, prefix: str, may_go: Callable[[str], bool]) -> int:
        """Remove for good what is hidden, not locked any more, and may go; return how many of it are still locked."""
        hidden = [found.key for found in self.below(prefix) if found.is_latest and found.is_marker]
        versions = [version for key in filter(may_go, hidden) for version in self.of(key)]
        locked = {version.key for version in self._remove([each for each in versions if not each.is_marker])}
        self._remove([found for found in versions if found.is_marker and found.key not in locked])
        return len(locked)

    def _remove(self, versions: Sequence[Version]) -> list[Version]:
        """Remove versions, many a request; return those that the service refuses to remove."""
        refused = []
        for start in range(0, len(versions), REMOVED_TOGETHER):
            some = versions[start : start + REMOVED_TOGETHER]
            asked = [{"Key": self._bucket.path(each.key), "VersionId": each.version} for each in some]
            with self._bucket.translated(None):
                answer = self._bucket.of_all("delete_objects", Delete={"Objects": asked, "Quiet": True})
            failed = {(error["Key"], error.get("VersionId")) for error in answer.get("Errors", ())}
            refused += [each for each in some if (self._bucket.path(each.key), each.version) in failed]
        return refused

    def _hidden(self, version: Version) -> ObjectLockedError:
        """Hide what is locked; return the error that says so. Raises what else forbade it."""
        why = self._lock.refusal(version.key, version.version)
        if not isinstance(why, ObjectLockedError):
            raise why
        if version.is_latest and not why.context["is_on_hold"]:
            with self._bucket.translated(version.key):
                self._bucket.call("delete_object", version.key)
        return why


def _how_long(error: ObjectLockedError) -> tuple[bool, float]:
    """Order by when it ends: a hold alone ends nobody knows when."""
    return error.until_at is None, 0.0 if error.until_at is None else error.until_at.timestamp()
