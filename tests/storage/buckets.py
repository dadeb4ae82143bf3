"""Buckets for the tests of the S3 driver: made anew for each place, looked into behind the driver's back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from retention.model.clock import Clock, SystemClock
from retention.model.identifiers import new_id
from retention.model.layout import RecallSpec, S3Spec, VolumeSpec
from retention.storage.identity import DeviceRecord, VolumeIdentity
from retention.storage.s3 import S3Volume
from retention.storage.s3_service import S3Service
from retention.storage.s3_upload import Parts
from tests.storage.conformance import Place

PART_BYTES = 5 << 20  # the least that services take
PARTS = Parts(PART_BYTES)


@cache
def client(endpoint: str) -> Any:
    """Return a client of the tests' own."""
    config = Config(
        retries={"total_max_attempts": 3},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint, config=config)


@cache
def made_bucket(endpoint: str, *, locks: bool) -> str:
    """Return a bucket that this process's tests share, each below a prefix of its own."""
    name = f"t-{new_id()[:20]}"
    client(endpoint).create_bucket(Bucket=name, ObjectLockEnabledForBucket=locks)
    return name


@dataclass
class BucketPlace(Place):
    """A new prefix in a bucket of a service; `locks`: a bucket made with Object Lock, and so with versions."""

    endpoint: str
    s3: S3Spec = field(default_factory=S3Spec)
    locks: bool = False
    own: bool = False
    through: str | None = None
    trust_s: float = 0.0
    clock: Clock = field(default_factory=SystemClock)
    recall: RecallSpec | None = None
    timeout_s: float = 30.0
    examples: int = 5

    def __post_init__(self) -> None:
        self.client = client(self.endpoint)
        make = made_bucket.__wrapped__ if self.own else made_bucket
        self.bucket = make(self.endpoint, locks=self.locks)
        self.prefix = f"archive/{new_id()[:20]}"

    def spec(self) -> VolumeSpec:
        """`through`: the driver asks another endpoint than the tests, a proxy of the same service."""
        s3 = replace(self.s3, endpoint=self.through or self.endpoint)
        return VolumeSpec("cold-1", f"s3://{self.bucket}/{self.prefix}", "paris", "cloud", s3, self.recall)

    def open(
        self,
        *,
        expected: VolumeIdentity | None = None,
        recorded: DeviceRecord | None = None,
        full: bool = False,
    ) -> S3Volume:
        assert not full, "a bucket has no end"
        spec = self.spec()
        return S3Volume(
            spec,
            S3Service(spec, self.clock, timeout_s=self.timeout_s, pause=lambda _: None),
            self.clock,
            expected=expected,
            recorded=recorded,
            parts=PARTS,
            trust_s=self.trust_s,
        )

    def path(self, key: str) -> str:
        return f"{self.prefix}/{key}"

    def damage(self, key: str, data: bytes | None) -> None:
        if data is None:
            self.client.delete_object(Bucket=self.bucket, Key=self.path(key))
        else:
            self.client.put_object(Bucket=self.bucket, Key=self.path(key), Body=data)

    def vanish(self) -> None:
        """Take the whole bucket away; it must be this place's `own`."""
        assert self.own
        for found in self.versions():
            self.client.delete_object(Bucket=self.bucket, Key=found["Key"], VersionId=found["VersionId"])
        self.client.delete_bucket(Bucket=self.bucket)

    def versions(self, key: str = "") -> list[dict[str, Any]]:
        """Return everything that lies or lay under a key, markers too."""
        found = self.client.list_object_versions(Bucket=self.bucket, Prefix=self.path(key))
        return [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]

    def unfinished(self) -> list[str]:
        """Return the keys of uploads in parts that were begun and not ended."""
        found = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.path("")).get(
            "Uploads", ()
        )
        return [upload["Key"] for upload in found]

    def abort(self, path: str) -> None:
        """Abort the uploads in parts of one key."""
        found = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=path)
        for upload in found.get("Uploads", ()):
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=path, UploadId=upload["UploadId"])
