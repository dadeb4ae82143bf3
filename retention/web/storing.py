"""STOW-RS (PS3.18 §10.5): parts of a request, streamed to staging; an instance counts when it is durable.

The answer names each instance with what became of it. Reasons are those of C-STORE (PS3.18 §10.5.3, PS3.4 table B.2-1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from retention.dicom.head import Head
from retention.model.errors import InputError, InvalidDicomError, RetentionError, StorageError
from retention.services.staging.receiver import Incoming, Origin, Receiver
from retention.services.stores import Stores
from retention.web.callers import institution_named
from retention.web.limits import CHUNK_BYTES, INSTANCE_BYTES
from retention.web.multipart import MultipartParser, boundary_of, media_type_of
from retention.web.places import base_of
from retention.web.problems import problem
from retention.web.querying import DICOM_JSON, exactly

PROCESSING_FAILURE, OUT_OF_RESOURCES, DOES_NOT_MATCH, CANNOT_UNDERSTAND = 0x0110, 0xA700, 0xA900, 0xC000


AHEAD_BYTES = 32 << 20
"""So many bytes of one request may be on their way to the disk: its parts share syncs, in bounded memory."""


@dataclass(slots=True)
class Result:
    """What became of one part. `head` is None when it could not be identified, `reason` when it is kept.

    `durable`: what has to be waited for before that is known.
    """

    head: Head | None
    reason: int | None = None
    durable: Future[None] | None = None

    def settle(self) -> None:
        """Wait until it is known."""
        durable, self.durable = self.durable, None
        if durable is not None:
            try:
                durable.result()
            except RetentionError as error:
                self.reason = _reason(error)


@dataclass(slots=True)
class Results:
    """What became of the parts of a request, in their order."""

    all: list[Result] = field(default_factory=list)
    _ahead: deque[tuple[Result, int]] = field(default_factory=deque)
    _ahead_bytes: int = 0

    def add(self, result: Result, size_bytes: int) -> None:
        """Note what becomes of the next one; wait for the first ones as long as too much is on its way."""
        self.all.append(result)
        if result.durable is not None:
            self._ahead.append((result, size_bytes))
            self._ahead_bytes += size_bytes
        self.settle(AHEAD_BYTES)

    def settle(self, but_bytes: int = 0) -> None:
        """Wait until it is known of all but so many bytes."""
        while self._ahead and self._ahead_bytes > but_bytes:
            result, size_bytes = self._ahead.popleft()
            self._ahead_bytes -= size_bytes
            result.settle()


@dataclass(slots=True)
class IncomingPart:
    """One part on its way."""

    results: Results
    study_uid: str | None
    incoming: Incoming | None
    reason: int = CANNOT_UNDERSTAND
    size_bytes: int = 0

    def write(self, data: bytes) -> None:
        self.size_bytes += len(data)
        if self.size_bytes > INSTANCE_BYTES:
            self.give_up(OUT_OF_RESOURCES)
        if self.incoming is not None:
            try:
                self.incoming.write(data)
            except RetentionError as error:
                self.give_up(_reason(error))

    def finish(self) -> None:
        """Begin to make it durable; note what becomes of it."""
        head: Head | None = None
        reason: int | None = self.reason
        durable: Future[None] | None = None
        if self.incoming is not None:
            try:
                head = self.incoming.identify()
                if self.study_uid in (None, head.identity.study_uid):
                    durable = self.incoming.hand_over(head)
                    reason = None
                else:
                    self.give_up(DOES_NOT_MATCH)
                    reason = DOES_NOT_MATCH
            except RetentionError as error:
                reason = _reason(error)
                self.give_up(reason)
        self.incoming = None
        self.results.add(Result(head, reason, durable), self.size_bytes)

    def give_up(self, reason: int) -> None:
        """It will not be kept; what comes of it is dropped."""
        self.reason = reason
        if self.incoming is not None:
            self.incoming.abandon()
            self.incoming = None


@dataclass(slots=True)
class Storing:
    """Answers STOW-RS requests."""

    stores: Stores
    receiver: Receiver

    async def store(self, request: Request, institution: str, study: str | None = None) -> Response:
        """Keep what a request brings."""
        caller = await run_sync(institution_named, self.stores, institution)
        media_type = media_type_of(request.headers.get("content-type", ""))
        wanted = media_type.parameters.get("type", "application/dicom").lower()
        if media_type.name != "multipart/related" or wanted != "application/dicom":
            return problem(415, 'only multipart/related; type="application/dicom" is taken')
        if study is not None:
            exactly(study)
        client = request.client.host if request.client is not None else ""
        store = _Request(self.receiver, Origin(caller, "web", client), study, boundary_of(media_type))
        try:
            await store.take(request)
        finally:
            await run_sync(store.end)
        return answer(store.results.all, base_of(request, institution))


@dataclass(slots=True)
class _Request:
    """One request's body."""

    receiver: Receiver
    origin: Origin
    study_uid: str | None
    boundary: bytes
    results: Results = field(default_factory=Results)
    current: IncomingPart | None = None

    async def take(self, request: Request) -> None:
        """Read the body to its end. Raises InputError when it is malformed: what came whole before is kept."""
        parser = MultipartParser(self.boundary, self.begin)
        collected = bytearray()
        async for chunk in request.stream():
            collected += chunk
            if len(collected) >= CHUNK_BYTES:
                await run_sync(parser.feed, bytes(collected))
                collected.clear()
        await run_sync(parser.feed, bytes(collected))
        parser.close()
        await run_sync(self.results.settle)
        if not self.results.all:
            raise InputError("the request has no part")

    def begin(self, header: Mapping[str, str]) -> IncomingPart:
        kind = media_type_of(header.get("content-type", "application/dicom")).name
        is_taken = kind == "application/dicom"
        incoming = self.receiver.receive(self.origin) if is_taken else None
        self.current = IncomingPart(self.results, self.study_uid, incoming)
        return self.current

    def end(self) -> None:
        """Nothing more comes: nothing is kept of a part that was not whole."""
        if self.current is not None:
            self.current.give_up(PROCESSING_FAILURE)


def answer(results: list[Result], base: str) -> Response:
    """Return a Store Instances Response (PS3.18 §10.5.3, annex I): 200 all, 202 some, 409 or 507 none."""
    stored = [each.head for each in results if each.reason is None and each.head is not None]
    failed = [each for each in results if each.reason is not None]
    content: dict[str, object] = {}
    studies = {head.identity.study_uid for head in stored}
    if len(studies) == 1:
        content["00081190"] = {"vr": "UR", "Value": [f"{base}/studies/{studies.pop()}"]}
    if stored:
        content["00081199"] = {"vr": "SQ", "Value": [_stored(head, base) for head in stored]}
    named = [_failed(each.head, each.reason) for each in failed if each.head is not None]
    if named:
        content["00081198"] = {"vr": "SQ", "Value": named}
    unnamed = [_failed(None, each.reason) for each in failed if each.head is None]
    if unnamed:
        content["0008119A"] = {"vr": "SQ", "Value": unnamed}
    return JSONResponse(content, _status(stored, failed), media_type=DICOM_JSON)


def _status(stored: list[Head], failed: list[Result]) -> int:
    if not failed:
        return 200
    if stored:
        return 202
    return 507 if any(each.reason == OUT_OF_RESOURCES for each in failed) else 409


def _stored(head: Head, base: str) -> dict[str, object]:
    identity = head.identity
    url = f"{base}/studies/{identity.study_uid}/series/{identity.series_uid}/instances/{identity.sop_instance_uid}"
    return {**_reference(head), "00081190": {"vr": "UR", "Value": [url]}}


def _failed(head: Head | None, reason: int | None) -> dict[str, object]:
    reference = {} if head is None else _reference(head)
    return {**reference, "00081197": {"vr": "US", "Value": [reason]}}


def _reference(head: Head) -> dict[str, object]:
    """Return Referenced SOP Class UID and Referenced SOP Instance UID."""
    sop_class = head.instance.sop_class_uid
    return {
        "00081150": {"vr": "UI", "Value": [sop_class]} if sop_class else {"vr": "UI"},
        "00081155": {"vr": "UI", "Value": [head.identity.sop_instance_uid]},
    }


def _reason(error: RetentionError) -> int:
    if isinstance(error, InvalidDicomError):
        return CANNOT_UNDERSTAND
    return OUT_OF_RESOURCES if isinstance(error, StorageError) else PROCESSING_FAILURE
