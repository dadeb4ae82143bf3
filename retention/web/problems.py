"""Errors as the web door says them: RFC 9457 problem details, from one table."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from retention.model.errors import (
    ArchiveError,
    DisposedOfError,
    InputError,
    NotFoundError,
    NotReadyError,
    RefusedError,
    RetentionError,
    StorageError,
    TooManyAttemptsError,
    UndecodableError,
    UnknownCallerError,
    VolumeFullError,
)
from retention.web.limits import RETRY_AFTER_S

_LOG = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[RetentionError], int], ...] = (
    (DisposedOfError, 410),
    (UnknownCallerError, 401),
    (TooManyAttemptsError, 429),
    (NotFoundError, 404),
    (UndecodableError, 406),
    (InputError, 400),
    (RefusedError, 403),
    (NotReadyError, 503),
    (VolumeFullError, 507),
    (StorageError, 503),
    (ArchiveError, 503),
)
"""What each kind of error is answered with: the first that fits; 500 when none does."""

ABSENT = "there is no such resource"
"""Said of what is absent and of what is another institution's, in the same words."""


CHALLENGES = 'Bearer realm="retention", Basic realm="retention", charset="UTF-8"'
"""How one may say who one is (RFC 6750, RFC 7617)."""

GONE = "it was disposed of as its policy wants"


def status_of(error: RetentionError) -> int:
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def problem(status: int, title: str, code: str | None = None, hint: str | None = None) -> JSONResponse:
    """Return a problem document."""
    content: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if code is not None:
        content["code"] = code
    if hint is not None:
        content["detail"] = hint
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""

    @app.exception_handler(RetentionError)
    def retention_error(_: Request, error: RetentionError) -> JSONResponse:
        answer = problem(status_of(error), error.message, error.code, error.hint)
        if isinstance(error, UnknownCallerError):
            answer.headers["WWW-Authenticate"] = CHALLENGES
        if isinstance(error, TooManyAttemptsError):
            answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer

    @app.exception_handler(HTTPException)
    def http_error(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, ABSENT if error.status_code == 404 else str(error.detail))

    @app.exception_handler(RequestValidationError)
    def not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
        names = sorted({str(each["loc"][-1]) for each in error.errors()})
        return problem(400, f"not valid: {', '.join(names)}")

    @app.exception_handler(Exception)
    def unforeseen(_: Request, error: Exception) -> JSONResponse:
        _LOG.error("a request could not be answered", exc_info=error)
        return problem(500, "the request could not be answered")
