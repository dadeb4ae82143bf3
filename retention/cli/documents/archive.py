"""The documents of `init`, `ingest` and `doctor`: an archive as a whole."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count
from retention.services.doctor import CheckStatus


class NewVolume(TypedDict):
    name: str
    url: str
    site: str
    domain: str
    """What fails together with it."""


class NewTier(TypedDict):
    name: str
    protection: str
    """`2 copies`, `4+2` …"""
    volumes: list[str]


class Init(TypedDict):
    """A new archive."""

    archive: str
    """Its folder."""
    name: str
    archive_id: str
    volumes: list[NewVolume]
    tiers: list[NewTier]
    rehearsal: bool
    """Whether its clock may be set."""
    recovery_key: str
    """Opens the archive if its root key is lost. Shown here once and kept nowhere."""


class Refused(TypedDict):
    path: str
    """Bytes that are no text stand as lone surrogates, as Python writes them."""
    reason: str


class Ingest(TypedDict):
    """What became of the files. Every one is counted once."""

    studies: Count
    """Studies that got new instances."""
    stored: Count
    """New instances."""
    duplicates: Count
    """Held already, the same bytes."""
    reencoded: Count
    """Held already, the same data set in another encoding of file meta."""
    conflicts: Count
    """The same SOP Instance UID with other content: kept beside the first."""
    quarantined: Count
    """Could not be identified: kept in quarantine."""
    skipped: Count
    """Not DICOM instances."""
    unreadable: Count
    """Could not be read, or changed while they were."""
    bytes_in: Count
    """Bytes of what was stored, as received."""
    bytes_stored: Count
    """Bytes it takes on the volumes, redundancy included."""
    write_debt: Count
    unlocked: list[str]
    """Why volumes with Object Lock have not locked what was stored yet: `volume locks` does."""
    """Shards that wait for their volume."""
    seconds: float
    refused: list[Refused]
    """Every quarantined, conflicting and unreadable file."""


class DoctorCheck(TypedDict):
    name: str
    status: CheckStatus
    detail: str
    hint: str | None
    """What to do about it."""


class Doctor(TypedDict):
    """What a look at the installation found."""

    checks: list[DoctorCheck]
