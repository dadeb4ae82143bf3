"""The documents of `audit status` and `audit history`: how far audits are, and their results on disk."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from retention.cli.documents.values import Count


class AuditForecast(TypedDict):
    """How long one round over a tier takes at the present rate, and how long it may take."""

    days: float
    asked_days: float | None
    enough: bool


class AuditSample(TypedDict):
    """The random sample of the present round."""

    round: Count
    began_at: str
    seed: str
    packages: Count
    due: Count
    done: Count


class AuditTier(TypedDict):
    """One tier, against what is asked of it."""

    tier: str
    packages: Count
    bytes: Count
    asked_days: float | None
    """The longest time between two complete readings of each package; null when none is asked for."""
    by_default: bool
    """No plan speaks of the tier: archive.yaml's `audit: full` counts."""
    slow: bool
    """Has to be recalled before it is read: presence and lengths are looked at, a sample is read."""
    done: Count
    due: Count
    late: Count
    unsampled: Count
    """What the sample of a round that is over lacks."""
    oldest_check: str | None
    present_since: str | None
    """When the present look at what is there on a slow tier began."""
    sample: AuditSample | None
    forecast: AuditForecast | None


class AuditStatus(TypedDict):
    """Coverage against the plan."""

    coverage: float
    """The share of packages that were read whole within the time that is asked: 1 is all."""
    done: Count
    due: Count
    late: Count
    oldest_check: str | None
    last_audit: str | None
    rate_mb_s: float
    rate_measured: bool
    """Whether the rate was measured over the last 30 days; else it is archive.yaml's, or assumed."""
    forecast: str
    tiers: list[AuditTier]
    alarms: list[Literal["late", "silent", "too-slow", "behind"]]
    problems: list[str]
    """Where the catalog says of audits what the journal does not."""


class AuditHistory(TypedDict):
    """The files of the history."""

    folder: str
    days: Count
    """Days whose file was written now."""
    written: list[str]
    problems: list[str]
