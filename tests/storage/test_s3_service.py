"""How requests leave: the exact words of those no service here can answer for, when they are made again, when not."""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from retention.model.errors import NotReadyError, ReadBackError, SettingsError, VolumeUnavailableError
from retention.model.layout import ObjectLockSpec, S3Spec, VolumeSpec
from retention.storage import s3_service
from retention.storage.recall_notes import note_key
from retention.storage.s3 import S3Volume
from retention.storage.s3_service import FAILURES_IN_A_ROW, REST_S, Breaker, Refused, S3Service
from retention.storage.volume import RecallState, Urgency
from tests.storage.clocks import MovableClock
from tests.storage.places import KEY, identity, sealed

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PATH = f"vault/{KEY}"
NOTE = f"vault/{note_key(KEY)}"
DATA = b"bytes"
MD5 = hashlib.md5(DATA, usedforsecurity=False)
SHA256 = b64encode(hashlib.sha256(DATA).digest()).decode()
LOCK = ObjectLockSpec("COMPLIANCE", timedelta(days=365))
UNTIL = NOW + timedelta(days=365)


@pytest.fixture(autouse=True)
def session():
    """Sessions remember credentials: these tests have their own, and leave none to others."""
    s3_service.session_of.cache_clear()
    yield
    s3_service.session_of.cache_clear()


@pytest.fixture
def stub(monkeypatch):
    """A volume on AWS, in the class DEEP_ARCHIVE and with a lock, and what is agreed to be asked and answered."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    clock = MovableClock(NOW)
    s3 = S3Spec(region="eu-west-3", storage_class="DEEP_ARCHIVE", object_lock=LOCK)
    spec = VolumeSpec("cold-1", "s3://bucket/vault", "paris", "aws", s3)
    service = S3Service(spec, clock, pause=lambda _: None)
    volume = S3Volume(spec, service, clock, expected=identity())
    with Stubber(service.client) as stub:
        stub.volume = volume
        body = identity().encode()
        stub.add_response(
            "get_object",
            {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": len(body)},
            {"Bucket": "bucket", "Key": "vault/volume.json"},
        )
        yield stub
        stub.assert_no_pending_responses()


def where(**more: object) -> dict[str, object]:
    return {"Bucket": "bucket", "Key": PATH, **more}


def answers_head(stub: Stubber, expected: dict[str, object] | None = None, **answer: object) -> None:
    stub.add_response("head_object", {"ContentLength": 5, **answer}, where(**(expected or {})))


def publishes(stub: Stubber) -> None:
    stub.add_response(
        "put_object",
        {"ETag": f'"{MD5.hexdigest()}"', "VersionId": "v1", "ChecksumSHA256": SHA256},
        where(
            Body=DATA,
            IfNoneMatch="*",
            Metadata={"upload": ANY},
            StorageClass="DEEP_ARCHIVE",
            ContentMD5=b64encode(MD5.digest()).decode(),
            ChecksumSHA256=SHA256,
        ),
    )


def refuses_to_read(stub: Stubber) -> None:
    stub.add_client_error("get_object", "InvalidObjectState", http_status_code=403)


def test_aws_gets_checksums_a_condition_and_a_class(stub):
    publishes(stub)
    with sealed(stub.volume) as upload:
        upload.publish()


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_a_lock_is_put_on_the_very_version_that_was_looked_at(stub, mode):
    stub.volume._lock._spec = ObjectLockSpec(mode, LOCK.window)
    answers_head(stub, VersionId="v1")
    stub.add_response(
        "put_object_retention",
        {},
        where(Retention={"Mode": mode, "RetainUntilDate": UNTIL}, VersionId="v1"),
    )
    answers_head(stub, {"VersionId": "v1"}, ObjectLockMode=mode, ObjectLockRetainUntilDate=UNTIL)
    assert stub.volume.lock(KEY) == UNTIL


def test_what_cannot_be_read_back_is_proved_by_the_checksum_that_aws_computed(stub):
    publishes(stub)
    refuses_to_read(stub)
    answers_head(stub, {"ChecksumMode": "ENABLED"}, ChecksumSHA256=SHA256, ETag=f'"{MD5.hexdigest()}"')
    with sealed(stub.volume) as upload:
        upload.publish()
        assert stub.volume.read_back(upload) is None


@pytest.mark.parametrize(
    "wrong", [{"ChecksumSHA256": SHA256[::-1]}, {"ETag": '"%s"' % ("0" * 32)}, {"ContentLength": 4}], ids=str
)
def test_a_checksum_or_a_length_that_is_another_one_is_no_proof(stub, wrong):
    publishes(stub)
    refuses_to_read(stub)
    answers_head(stub, {"ChecksumMode": "ENABLED"}, **wrong)
    with sealed(stub.volume) as upload:
        upload.publish()
        with pytest.raises(ReadBackError):
            stub.volume.read_back(upload)


def test_an_etag_under_a_customers_key_is_no_md5_and_says_nothing(stub):
    publishes(stub)
    refuses_to_read(stub)
    encrypted = {"ServerSideEncryption": "aws:kms", "ETag": '"%s"' % ("0" * 32), "ChecksumSHA256": SHA256}
    answers_head(stub, {"ChecksumMode": "ENABLED"}, **encrypted)
    with sealed(stub.volume) as upload:
        upload.publish()
        assert stub.volume.read_back(upload) is None


def test_a_restore_says_for_how_many_days_and_how_soon(stub):
    answers_head(stub, StorageClass="DEEP_ARCHIVE")
    wanted = {"Days": 8, "GlacierJobParameters": {"Tier": "Bulk"}}
    stub.add_response("restore_object", {}, where(RestoreRequest=wanted))
    answers_head(stub, StorageClass="DEEP_ARCHIVE", Restore='ongoing-request="true"')
    stub.add_response("put_object", {}, {"Bucket": "bucket", "Key": NOTE, "Body": ANY})
    found = stub.volume.recall(KEY, urgency=Urgency.ROUTINE, keep=timedelta(days=7, seconds=1))
    assert found.state is RecallState.REQUESTED
    assert found.ready_at == NOW + timedelta(hours=48)


def test_a_restore_that_is_under_way_is_no_error_and_nobody_can_tell_when(stub):
    answers_head(stub, StorageClass="DEEP_ARCHIVE", Restore='ongoing-request="true"')
    stub.add_client_error("restore_object", "RestoreAlreadyInProgress", http_status_code=409)
    stub.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    found = stub.volume.recall(KEY, urgency=Urgency.ROUTINE, keep=timedelta(days=7))
    assert (found.state, found.ready_at) == (RecallState.REQUESTED, None)


def test_reading_what_is_archived_says_that_it_is_not_ready(stub):
    refuses_to_read(stub)
    answers_head(stub, StorageClass="DEEP_ARCHIVE")
    with pytest.raises(NotReadyError, match="was not asked for"):
        stub.volume.open(KEY)


def test_a_hold_is_put_on_and_seen(stub):
    answers_head(stub)
    stub.add_response("put_object_legal_hold", {}, where(LegalHold={"Status": "ON"}))
    answers_head(stub, ObjectLockLegalHoldStatus="ON")
    assert stub.volume.hold(KEY, on=True)
    answers_head(stub, ObjectLockLegalHoldStatus="ON")
    assert stub.volume.hold(KEY, on=True)  # is on it already: nothing to ask for


def test_a_hold_that_is_there_is_not_put_on_again(stub):
    answers_head(stub, ObjectLockLegalHoldStatus="ON")
    assert stub.volume.hold(KEY, on=True)


def test_no_credentials_is_said_at_once(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    spec = VolumeSpec("cold-1", "s3://bucket", "paris", "x", S3Spec(endpoint="http://127.0.0.1:9"))
    pauses: list[float] = []
    service = S3Service(spec, MovableClock(NOW), pause=pauses.append)
    with pytest.raises(VolumeUnavailableError, match="credentials"):
        service.call("head_bucket", Bucket="bucket")
    assert pauses == []


def test_a_profile_that_nobody_knows_is_a_mistake_in_the_settings():
    spec = VolumeSpec("cold-1", "s3://bucket", "paris", "x", S3Spec(profile="no-such-profile"))
    with pytest.raises(SettingsError, match="no-such-profile"):
        S3Service(spec, MovableClock(NOW)).call("head_bucket", Bucket="bucket")


def test_nobody_listening_is_asked_again_with_growing_pauses(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    spec = VolumeSpec("cold-1", "s3://bucket", "paris", "x", S3Spec(endpoint="http://127.0.0.1:9"))
    pauses: list[float] = []
    service = S3Service(spec, MovableClock(NOW), attempts=6, pause=pauses.append)
    with pytest.raises(VolumeUnavailableError, match="cold-1"):
        service.call("head_bucket", Bucket="bucket")
    assert len(pauses) == 5
    assert all(0 <= pause_s <= 0.4 * 2**number for number, pause_s in enumerate(pauses))


def test_the_breaker_opens_after_a_few_failures_and_lets_one_try_after_a_rest():
    clock = MovableClock(NOW)
    breaker = Breaker("cold-1", clock)
    for _ in range(FAILURES_IN_A_ROW):
        breaker.check()
        breaker.failed()
    with pytest.raises(VolumeUnavailableError):
        breaker.check()
    clock.at += timedelta(seconds=REST_S)
    breaker.check()
    with pytest.raises(VolumeUnavailableError):
        breaker.check()
    breaker.answered()
    breaker.check()


@pytest.mark.parametrize(
    ("code", "status", "is_missing", "is_forbidden"),
    [
        ("404", 404, True, False),
        ("NoSuchKey", 404, True, False),
        ("403", 403, False, True),
        ("AccessDenied", 403, False, True),
        ("InvalidAccessKeyId", 401, False, True),
    ],
)
def test_no_is_told_from_not_there(code, status, is_missing, is_forbidden):
    refused = Refused("head_object", code, status, "")
    assert (refused.is_missing, refused.is_forbidden) == (is_missing, is_forbidden)


@pytest.mark.parametrize(
    ("s3", "keeps"),
    [
        (S3Spec(), True),
        (S3Spec(endpoint="https://ceph.example"), False),
        (S3Spec(endpoint="https://s3.example", checksums="when_supported"), True),
        (S3Spec(checksums="when_required"), False),
    ],
)
def test_checksums_of_the_newer_kind_are_for_aws_unless_the_settings_say_otherwise(s3, keeps):
    spec = VolumeSpec("cold-1", "s3://bucket", "paris", "x", s3)
    assert S3Service(spec, MovableClock(NOW)).keeps_checksums is keeps
