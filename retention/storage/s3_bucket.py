"""One volume's part of a bucket: its objects' names there, and what the service's refusals mean for it.

The invariant: an object counts as missing only if the service answered "not there" and a fresh look finds the volume's
own identity; "forbidden" is a volume that is unavailable, whatever was asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from retention.model.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    SettingsError,
    StorageError,
    VolumeFullError,
    VolumeUnavailableError,
)
from retention.model.layout import VolumeSpec
from retention.storage.identity import DeviceRecord
from retention.storage.s3_service import Answer, Refused, S3Service
from retention.storage.state import VolumeState, not_ready, unavailable
from retention.storage.volume import SLOW_PREFIX

MD5_ETAG = re.compile(r'"?([0-9a-f]{32}(?:-[0-9]+)?)"?\Z')
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "ServiceQuotaExceeded"})


class Bucket:
    """The objects below one prefix of one bucket. `look` finds out what state the volume is in now."""

    def __init__(self, spec: VolumeSpec, service: S3Service, look: Callable[[], VolumeState]) -> None:
        self.spec = spec
        self.service = service
        self.name, self._prefix = _place(spec)
        self._look = look

    @property
    def volume(self) -> str:
        return self.spec.name

    @property
    def device(self) -> DeviceRecord:
        """Return what stands for the device here: a bucket on a service is what it is."""
        host = urlsplit(self.spec.s3.endpoint or "").netloc or "aws"
        return DeviceRecord(f"s3:{host}/{self.name}/{self._prefix}", is_mount=False)

    def path(self, key: str) -> str:
        return self._prefix + key

    def call(self, operation: str, key: str, **parameters: object) -> Answer:
        """Make a request about one object. Raises Refused, VolumeUnavailableError."""
        return self.service.call(operation, Bucket=self.name, Key=self.path(key), **parameters)

    def of_all(self, operation: str, **parameters: object) -> Answer:
        """Make a request about the bucket. Raises Refused, VolumeUnavailableError."""
        return self.service.call(operation, Bucket=self.name, **parameters)

    def get(self, key: str, **parameters: object) -> tuple[bytes, Answer]:
        """Read (a range of) one object. Raises Refused, VolumeUnavailableError."""
        return self.service.get(Bucket=self.name, Key=self.path(key), **parameters)

    def head(self, key: str, **parameters: object) -> Answer:
        """Return what the service says of one object. Raises ObjectNotFoundError, StorageError."""
        with self.translated(key):
            return self.call("head_object", key, **parameters)

    def pages(self, operation: str, prefix: str, listed: str, **parameters: object) -> Iterator[Answer]:
        """Yield what a listing has below a prefix, in the service's order. `listed` names the answer's list.

        Raises StorageError.
        """
        more: dict[str, object] = {}
        while True:
            with self.translated(None):
                answer = self.of_all(operation, Prefix=self.path(prefix), **parameters, **more)
            for found in answer.get(listed, ()):
                yield found | {"Key": found["Key"].removeprefix(self._prefix)}
            more = _continued(answer)
            if not more:
                return

    def storage_class(self, key: str) -> dict[str, object]:
        """Return the parameter that puts packages into the class they are meant to be in; documents stay at hand."""
        if self.spec.s3.storage_class is None or not key.startswith(SLOW_PREFIX):
            return {}
        return {"StorageClass": self.spec.s3.storage_class}

    @contextmanager
    def translated(self, key: str | None) -> Iterator[None]:
        """Turn refusals into the errors of the volume contract."""
        try:
            yield
        except Refused as refused:
            raise self._translate(refused, key) from refused

    def _translate(self, refused: Refused, key: str | None) -> StorageError:
        context = {"volume": self.volume, "key": key}
        if key is not None:
            if refused.code == "InvalidObjectState":
                return not_ready(self.volume, key, None, is_requested=False)
            if refused.status == 412:
                return ObjectExistsError(f"volume {self.volume}: {key} exists already", **context)
            if refused.is_missing and refused.code != "NoSuchBucket":
                if (state := self._look()).is_readable:
                    return ObjectNotFoundError(f"volume {self.volume}: no object {key}", **context)
                return unavailable(self.volume, state)
        if refused.code in _FULL:
            why = f"volume {self.volume}: the service takes no more ({refused})"
            return VolumeFullError(why, hint="raise the quota, or add a volume", **context)
        what, hint = "refuses it", "look at the bucket's settings and `volumes` in archive.yaml"
        if refused.is_forbidden:
            what = "forbids it"
            hint = "check the credentials, their permissions on the bucket, and this machine's clock"
        why = f"volume {self.volume}: the service {what} ({refused})"
        return VolumeUnavailableError(why, hint=hint, **context)


def same_etag(answer: Answer, md5: str) -> bool | None:
    """Whether an object's ETag is the MD5 it should be; None if it is no MD5 (encrypted with a customer's key)."""
    found = MD5_ETAG.match(str(answer.get("ETag", "")))
    if found is None or str(answer.get("ServerSideEncryption", "")).startswith("aws:kms"):
        return None
    return None if "SSECustomerAlgorithm" in answer else found[1] == md5


def _place(spec: VolumeSpec) -> tuple[str, str]:
    """Return bucket and prefix, which is empty or ends in a slash. Raises SettingsError."""
    parts = urlsplit(spec.url)
    prefix = unquote(parts.path).strip("/")
    if not parts.netloc or parts.query or parts.fragment or "//" in prefix:
        raise SettingsError(
            f"volume {spec.name}: `{spec.url}` names no bucket",
            hint="use `s3://BUCKET/PREFIX`",
            volume=spec.name,
        )
    return parts.netloc, f"{prefix}/" if prefix else ""


def _continued(answer: Answer) -> dict[str, object]:
    """Return the parameters that continue a listing: each kind has words of its own."""
    if not answer.get("IsTruncated"):
        return {}
    names = {
        "NextContinuationToken": "ContinuationToken",
        "NextKeyMarker": "KeyMarker",
        "NextVersionIdMarker": "VersionIdMarker",
        "NextUploadIdMarker": "UploadIdMarker",
    }
    return {wanted: answer[given] for given, wanted in names.items() if answer.get(given)}
