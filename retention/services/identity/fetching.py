"""Asking a provider over https for a small JSON document: bounded in bytes and time, and led nowhere else."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from retention.model.clock import Clock
from retention.model.errors import ArchiveError

DOCUMENT_BYTES = 256 << 10
TIMEOUT_S = 5.0
TOTAL_S = 10.0

Fetch = Callable[[str], dict[str, Any]]
"""Returns the JSON object at an address. Raises ArchiveError."""


def fetcher(clock: Clock, authorities: Path | None) -> Fetch:
    """Return what asks, trusting the system's authorities, or those in a PEM file. Raises ArchiveError."""
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as error:
        raise ArchiveError(
            f"{authorities} cannot be used: {error}", hint="a PEM file of certificates"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    opener = urllib.request.OpenerDirector()  # https alone: no files, no http, and no redirection anywhere
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)

    def fetch(url: str) -> dict[str, Any]:
        if urlsplit(url).scheme != "https":
            raise ArchiveError(f"{url} is not asked: it is not https")
        try:
            return _object(_read(opener, url, clock), url)
        except HTTPError as error:
            error.close()
            raise ArchiveError(f"{url} answers {error.code}") from error
        except (URLError, OSError, HTTPException) as error:
            raise ArchiveError(f"{url} does not answer: {error}") from error

    return fetch


def _read(opener: urllib.request.OpenerDirector, url: str, clock: Clock) -> bytes:
    until_s = clock.monotonic_s() + TOTAL_S
    read = bytearray()
    with opener.open(url, timeout=TIMEOUT_S) as response:
        while piece := response.read1(16 << 10):
            read += piece
            if len(read) > DOCUMENT_BYTES or clock.monotonic_s() > until_s:
                raise ArchiveError(f"{url} answers too much, or too slowly")
    return bytes(read)


def _object(text: bytes, url: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{url} does not answer with JSON") from error
    if not isinstance(found, dict):
        raise ArchiveError(f"{url} does not answer with a JSON object")
    return found
