"""Talking to an S3 service: the one place where requests leave, are tried again, and are given up.

The invariant: an answer that says "no" is told apart from no answer. What the service refuses comes out as `Refused`,
with its code; what it cannot do now, or does not answer, is tried again with growing random pauses and then becomes
VolumeUnavailableError; after several of these in a row nobody waits for it any more until a pause has passed. Nothing
here ever takes "forbidden" for "not there".

boto3 is imported when the first request is made. Credentials come from its own chain (environment, profile, files that
these name), never from archive.yaml.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from retention.model.clock import Clock
from retention.model.errors import SettingsError, VolumeUnavailableError
from retention.model.layout import VolumeSpec

ATTEMPTS = 4
PAUSE_S = 0.2
PAUSE_LIMIT_S = 8.0
FAILURES_IN_A_ROW = 3
REST_S = 30.0
TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 5
_CONNECTIONS = 16
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
# Refusals that mean "not now", or that what arrived is not what was sent.
_AGAIN = frozenset(
    {
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "Throttling",
        "BadDigest",
        "XAmzContentSHA256Mismatch",
    }
)
_FINAL = frozenset({"NotImplemented", "GlacierExpeditedRetrievalNotAvailable"})

_MAKING = threading.Lock()
"""Sessions are not made for several threads."""

Answer = dict[str, Any]


class Refused(Exception):  # noqa: N818 - an answer of the service, always caught below; what leaves has a name in errors.py
    """The service answered, and said no. `code` is S3's word for why; of a HEAD it is the status alone."""

    def __init__(self, operation: str, code: str, status: int, message: str) -> None:
        super().__init__(f"{operation}: {code} {message}".rstrip())
        self.operation = operation
        self.code = code
        self.status = status

    @property
    def is_missing(self) -> bool:
        """Whether no such object is meant, or perhaps no such bucket."""
        return self.status == 404 or self.code in ("NoSuchKey", "NoSuchVersion")

    @property
    def is_forbidden(self) -> bool:
        return self.status in (401, 403)


class S3Service:
    """The service one volume's bucket lies on. Used by several threads at once."""

    def __init__(
        self,
        spec: VolumeSpec,
        clock: Clock,
        *,
        attempts: int = ATTEMPTS,
        timeout_s: float = TIMEOUT_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spec = spec
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._pause = pause
        self._breaker = Breaker(spec.name, clock)

    @property
    def keeps_checksums(self) -> bool:
        """Whether checksums of S3's newer kinds are sent: AWS stores and returns them; older services refuse or ignore
        them."""
        s3 = self._spec.s3
        return (s3.checksums or ("when_required" if s3.endpoint else "when_supported")) == "when_supported"

    def call(self, operation: str, **parameters: object) -> Answer:
        """Make one request, again if need be. A `Body` given is bytes, so that it can be sent again.

        Raises Refused, VolumeUnavailableError.
        """
        return self._attempt(lambda: self._once(operation, parameters))

    def get(self, **parameters: object) -> tuple[bytes, Answer]:
        """Read an object, or the range of it that is asked for, whole. Raises as `call`."""

        def once() -> Answer:
            answer = self._once("get_object", parameters)
            return answer | {"Body": _whole_body(answer)}

        answer = self._attempt(once)
        return answer["Body"], answer

    def _attempt(self, once: Callable[[], Answer]) -> Answer:
        self._breaker.check()
        number = 1
        while True:
            try:
                answer = once()
            except Refused as refused:
                if not _is_worth_another(refused):
                    self._breaker.answered()
                    raise
                why = str(refused)
            except _NoAnswer as error:
                why = str(error)
            else:
                self._breaker.answered()
                return answer
            if number >= self._attempts:
                self._breaker.failed()
                raise unanswered(self._spec.name, why)
            self._pause(_jittered_s(number))
            number += 1

    def _once(self, operation: str, parameters: Mapping[str, object]) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        client = self.client
        try:
            answer: Answer = getattr(client, operation)(**parameters)
        except ClientError as error:
            details = error.response.get("Error", {})
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            code, message = str(details.get("Code", status)), details.get("Message", "")
            raise Refused(operation, code, status, message) from None
        except (BotoCoreError, ResponseParserError) as error:
            raise _as_seen_here(self._spec.name, error) from error
        return answer

    @cached_property
    def _made_client(self) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        s3 = self._spec.s3
        checksums = "when_supported" if self.keeps_checksums else "when_required"
        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=self._timeout_s,
            max_pool_connections=_CONNECTIONS,
            retries={"total_max_attempts": 1},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
            # A service of one's own rarely has a name for each bucket.
            s3={"addressing_style": "path" if s3.endpoint else "auto"},
            user_agent_extra="retention",
        )
        try:
            session = session_of(s3.profile)
            return session.client("s3", region_name=s3.region, endpoint_url=s3.endpoint, config=config)
        except (BotoCoreError, ValueError) as error:
            raise SettingsError(
                f"volume {self._spec.name}: {error}",
                hint="correct `endpoint`, `profile` and `region` in archive.yaml, or the AWS settings they name",
                volume=self._spec.name,
            ) from error

    @property
    def client(self) -> Any:  # noqa: ANN401 - as above
        """The client; made when it is first asked for. Raises SettingsError."""
        with _MAKING:
            try:
                return self._made_client
            except ImportError as error:
                raise SettingsError(
                    f"volume {self._spec.name}: S3 volumes need boto3, which is not installed",
                    hint="install it: pip install 'retention[s3]'",
                    volume=self._spec.name,
                ) from error


class Breaker:
    """Stops asking a service that does not answer: who reads a million objects must not wait for each of them."""

    def __init__(self, volume: str, clock: Clock) -> None:
        self._volume = volume
        self._clock = clock
        self._failures = 0
        self._rests_until_s = 0.0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raises VolumeUnavailableError while the service is given rest; lets one caller try when that is over."""
        with self._lock:
            if self._failures < FAILURES_IN_A_ROW:
                return
            now_s = self._clock.monotonic_s()
            if now_s < self._rests_until_s:
                raise unanswered(
                    self._volume, f"it failed {self._failures} times in a row and is asked again in a moment"
                )
            self._rests_until_s = now_s + REST_S

    def answered(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._rests_until_s = self._clock.monotonic_s() + REST_S


class _NoAnswer(Exception):  # noqa: N818 - caught by `attempt`, never seen outside
    """No answer, or half of one."""


def unanswered(volume: str, why: str) -> VolumeUnavailableError:
    return VolumeUnavailableError(
        f"volume {volume}: the S3 service does not answer as it should: {why}",
        hint="look at the service, the network and the credentials, then try again",
        volume=volume,
    )


@lru_cache(maxsize=8)
def session_of(profile: str | None) -> Any:  # noqa: ANN401 - as above
    """Return the session of a profile: what it reads of S3's own description takes longer than all the rest."""
    import boto3

    return boto3.session.Session(profile_name=profile)


def _whole_body(answer: Answer) -> bytes:
    """Return the body of an answer. Raises _NoAnswer if it was cut off."""
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    with answer["Body"] as body:
        try:
            data: bytes = body.read()
        except (BotoCoreError, HTTPError, OSError) as error:
            raise _NoAnswer(f"the answer was cut off: {error}") from error
    if len(data) != answer["ContentLength"]:
        raise _NoAnswer(f"the answer was cut off after {len(data)} bytes")
    return data


def _as_seen_here(volume: str, error: Exception) -> Exception:
    """Tell what no repetition will change (credentials, certificates) from a network that may be better in a moment."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    passing = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.FlexibleChecksumError,
        ResponseParserError,
    )
    if isinstance(error, passing) and not isinstance(error, exceptions.SSLError):
        return _NoAnswer(str(error))
    return unanswered(volume, str(error))


def _is_worth_another(refused: Refused) -> bool:
    if refused.code in _FINAL:
        return False
    return refused.status in _BUSY or refused.code in _AGAIN


def _jittered_s(number: int) -> float:
    """Return how long to wait before attempt `number` + 1: anything up to twice as much as the last time."""
    most_s = min(PAUSE_LIMIT_S, PAUSE_S * 2.0**number)
    return most_s * int.from_bytes(os.urandom(4)) / (1 << 32)
