"""What the catalog says of audits, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class AuditRunRecord:
    """What one `audit.run` entry came to; `flawed` counts shards that were not made again."""

    sequence: int
    at: datetime
    mode: str
    packages: int
    shards: int
    bytes_read: int
    milliseconds: int
    flawed: int
    findings: int
    lost: int


@dataclass(frozen=True, slots=True)
class AuditDayRecord:
    """What the journal says all results of a day (UTC) are."""

    day: date
    sequence: int
    results: int
    bytes_read: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class AuditSampleRecord:
    """A round's sample: the first `packages` draws that fit, among the first `among` packages there were."""

    tier: str
    round: int
    sequence: int
    began_at: datetime
    seed: bytes
    packages: int
    among: int


@dataclass(frozen=True, slots=True)
class PackageReading:
    """A package as far as planning needs it: how large, in how many shards, oldest and newest reading."""

    row: int
    tier: str
    size_bytes: int
    shards: int
    verified_at: datetime
    read_at: datetime


@dataclass(frozen=True, slots=True)
class TierReadings:
    """What lies on a tier, and how much of it was read long ago. `oldest_at` is None for an empty tier.

    `before` has, for each instant asked for, how many packages were last read whole before it.
    """

    tier: str
    packages: int
    bytes_stored: int
    oldest_at: datetime | None
    before: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AuditTotals:
    """Sums over the `audit.run` entries since an instant; `first_at` is that of the first of these, `last_at` that of
    the last one ever."""

    runs: int
    packages: int
    bytes_read: int
    milliseconds: int
    first_at: datetime | None
    last_at: datetime | None
