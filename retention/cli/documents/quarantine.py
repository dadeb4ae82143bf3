"""The documents of `quarantine list|export`: what could not be identified."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Instant


class QuarantineRow(TypedDict):
    """Bytes that claim to be DICOM and could not be identified."""

    id: str
    institution: str
    reason: str
    """Stable: `no-identity`, `limit-depth`, `truncated-head` …"""
    detail: str
    source: str
    """The name they came under."""
    bytes: Count
    received: Instant


class QuarantineList(TypedDict):
    """What could not be identified, in order of arrival."""

    items: Iterable[QuarantineRow]


class QuarantineFile(TypedDict):
    id: str
    file: str
    bytes: Count


class QuarantineExport(TypedDict):
    """The bytes given back, verified."""

    items: list[QuarantineFile]
    directory: str
