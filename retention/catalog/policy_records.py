"""Policies and plans as the catalog knows them: plain values, named by digest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

RETENTION_POLICY = "RetentionPolicy"
STORAGE_PLAN = "StoragePlan"


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One version. `document` is what it says, written in one way only; `source` the text, comments included."""

    digest: str
    kind: str
    name: str
    version: int
    document: str
    source: str


@dataclass(frozen=True, slots=True)
class ForceRecord:
    """A time during which a version was the one of its name; `until_at` is None while it is."""

    policy: PolicyRecord
    sequence: int
    from_at: datetime
    until_at: datetime | None
    is_retired: bool


@dataclass(frozen=True, slots=True)
class EnactmentRecord:
    """A time during which a version bound an institution.

    `succeeded_on`: the day from which the version that replaced it is effective, None where it was only unlisted.
    `is_retired`: an approved loosening ended it, also for the studies it had counted for.
    """

    policy: PolicyRecord
    from_at: datetime
    until_at: datetime | None
    succeeded_on: date | None
    is_retired: bool
