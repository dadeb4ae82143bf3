"""S3 Object Lock: what counts is locked for a window, and the window moves along with time.

The invariants: a lock is believed only when the service shows it (some accept the headers and ignore them); it is never
shortened and never reaches beyond the day until which the object must be kept, so that what has to go can go.

The service counts in its own time, so locks are set by the machine's clock, also in a rehearsal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from retention.model.clock import Clock, format_instant
from retention.model.errors import ObjectLockedError, StorageError, VolumeUnavailableError
from retention.model.layout import ObjectLockSpec
from retention.storage.s3_bucket import Bucket
from retention.storage.s3_service import Answer

RENEW_BELOW = 0.5
"""A lock is renewed when less than this part of its window is left."""


@dataclass(frozen=True, slots=True)
class LockState:
    """What keeps one version: a lock until a date, a legal hold, both, or nothing."""

    mode: str | None
    until_at: datetime | None
    is_on_hold: bool

    @classmethod
    def of(cls, answer: Answer) -> LockState:
        """Read it from what HEAD answered."""
        until_at = answer.get("ObjectLockRetainUntilDate")
        return cls(
            answer.get("ObjectLockMode"),
            None if until_at is None else until_at.astimezone(UTC),
            answer.get("ObjectLockLegalHoldStatus") == "ON",
        )


class ObjectLock:
    """Locks the objects of one volume; without a `spec` it only looks."""

    def __init__(self, bucket: Bucket, spec: ObjectLockSpec | None, clock: Clock) -> None:
        self._bucket = bucket
        self._spec = spec
        self._clock = clock

    def extend(self, key: str, keep_until: datetime | None) -> datetime | None:
        """Lock an object, or renew its lock if little of its window is left; return until when it is locked then.

        Raises ObjectNotFoundError, StorageError, VolumeUnavailableError when the service ignores it.
        """
        answer = self._bucket.head(key)
        found, wanted = LockState.of(answer), self._until(keep_until)
        if self._spec is None or wanted is None:
            return found.until_at
        if found.until_at is not None:
            renew_at = found.until_at - self._spec.window * RENEW_BELOW
            if found.until_at >= wanted or self._clock.now() < renew_at:
                return found.until_at
        self._put(key, answer.get("VersionId"), wanted)
        return wanted

    def hold(self, key: str, *, on: bool) -> None:
        """Put a legal hold on an object, or take it off; see that it is so. What is so already is left alone.

        Raises StorageError.
        """
        if LockState.of(self._bucket.head(key)).is_on_hold is on:
            return
        status = "ON" if on else "OFF"
        with self._bucket.translated(key):
            self._bucket.call("put_object_legal_hold", key, LegalHold={"Status": status})
        if LockState.of(self._bucket.head(key)).is_on_hold is not on:
            raise self._ignored(key, f"legal hold {status}")

    def refusal(self, key: str, version: str) -> StorageError:
        """Return why a version could not be removed: it is locked, or something else forbids it."""
        found = LockState.of(self._bucket.head(key, VersionId=version))
        volume = self._bucket.volume
        is_locked = found.until_at is not None and found.until_at > self._clock.now()
        if not is_locked and not found.is_on_hold:
            return VolumeUnavailableError(
                f"volume {volume}: the service does not let {key} be removed, and no lock is on it",
                hint="check the permissions of the credentials (s3:DeleteObjectVersion)",
                volume=volume,
                key=key,
            )
        until_at = found.until_at if is_locked else None
        because = " and ".join(
            [*(["a legal hold is on it"] if found.is_on_hold else [])]
            + ([f"it is locked ({found.mode}) until {format_instant(until_at)}"] if until_at else [])
        )
        return ObjectLockedError(
            f"volume {volume}: {key} cannot be removed: {because}",
            hint="release the hold first" if found.is_on_hold else "it can be removed after that date",
            until_at=until_at,
            is_on_hold=found.is_on_hold,
            volume=volume,
            key=key,
        )

    def check_bucket(self) -> str | None:
        """Return why the bucket cannot lock as archive.yaml says, None if it can (or need not). Raises StorageError."""
        if self._spec is None:
            return None
        try:
            with self._bucket.translated(None):
                found = self._bucket.of_all("get_object_lock_configuration")
        except VolumeUnavailableError:
            return "its bucket has no Object Lock, which can only be given to a bucket when it is made"
        is_enabled = found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
        return None if is_enabled else "its bucket has Object Lock switched off"

    def _until(self, keep_until: datetime | None) -> datetime | None:
        """Return until when something is to be locked now; None if not at all."""
        if self._spec is None:
            return None
        now = self._clock.now()
        until_at = now + self._spec.window
        if keep_until is not None:
            until_at = min(until_at, keep_until)
        until_at = until_at.replace(microsecond=0)  # what the service can say
        return until_at if until_at > now else None

    def _put(self, key: str, version: str | None, until_at: datetime) -> None:
        mode = None if self._spec is None else self._spec.mode
        which = {} if version in (None, "null") else {"VersionId": version}
        with self._bucket.translated(key):
            self._bucket.call(
                "put_object_retention", key, Retention={"Mode": mode, "RetainUntilDate": until_at}, **which
            )
        found = LockState.of(self._bucket.head(key, **which))
        is_long_enough = found.until_at is not None and found.until_at >= until_at - timedelta(seconds=1)
        if found.mode != mode or not is_long_enough:
            raise self._ignored(key, f"a lock ({mode}) until {format_instant(until_at)}")

    def _ignored(self, key: str, what: str) -> VolumeUnavailableError:
        volume = self._bucket.volume
        return VolumeUnavailableError(
            f"volume {volume}: the service took {what} for {key}, and does not show it",
            hint="this service does not keep locks: give the volume another one, or take `object_lock` away",
            volume=volume,
            key=key,
        )
