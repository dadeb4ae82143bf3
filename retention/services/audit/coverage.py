"""How far audits are: what is due, done and late on each tier, how old the oldest reading is, how long a round takes.

The dead-man's alarm is here too: when the present rate does not keep up with what is asked, or nothing is read any
more, that is said before anything is late. Cheap enough for every look: sums in the catalog, no reading of volumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from retention.services.audit import lateness, planning
from retention.services.audit.asked import asked_of
from retention.services.audit.drawing import SampleProgress, progress_of
from retention.services.audit.planning import Asked, Forecast
from retention.services.audit.presence import mark_of
from retention.services.stores import Stores

ASSUMED_MB_S = 200.0
"""What is reckoned with as long as nothing has been measured, and archive.yaml sets no rate."""
MEASURED_OVER = timedelta(days=30)
ENOUGH_MS = 1000
SILENT_AFTER = timedelta(days=3)
_DAY = timedelta(days=1)


class Alarm(StrEnum):
    """Why somebody should look. LATE: readings are late. SILENT: something is due, and nothing was read for days.
    TOO_SLOW: at the rate that is measured, a round takes longer than is asked. BEHIND: so much less is read each day
    than is asked that readings will be late."""

    LATE = "late"
    SILENT = "silent"
    TOO_SLOW = "too-slow"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class TierCoverage:
    """One tier. `done` packages were read whole within the time that is asked, `late` ones were not; `due` ones should
    be read now, late ones among them. `presence_at`: since when the present look at a slow tier goes on."""

    asked: Asked
    packages: int
    bytes_stored: int
    done: int
    due: int
    late: int
    unsampled: int
    oldest_at: datetime | None
    sample: SampleProgress | None
    presence_at: datetime | None
    forecast: Forecast | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """All tiers. `rate_mb_s` is what a reading gets; `is_measured` says whether that is known or assumed. `per_day`:
    bytes read a day lately (None before the first audit), `asked_per_day`: how many it takes to be on time."""

    at: datetime
    tiers: Sequence[TierCoverage]
    rate_mb_s: float
    is_measured: bool
    per_day_bytes: float | None
    asked_per_day_bytes: float
    last_audit_at: datetime | None
    alarms: Sequence[Alarm]

    @property
    def late(self) -> int:
        """Packages that were not read in time, and those that a finished round's sample lacks."""
        return sum(tier.late + tier.unsampled for tier in self.tiers)

    @property
    def due(self) -> int:
        return sum(tier.due for tier in self.tiers)

    @property
    def done(self) -> int:
        return sum(tier.done for tier in self.tiers)

    @property
    def share(self) -> float:
        """The share of packages that were read whole in time, among those of which that is asked; 1 if of none."""
        among = self.done + sum(tier.late for tier in self.tiers)
        return self.done / among if among else 1.0

    @property
    def oldest_at(self) -> datetime | None:
        return min((tier.oldest_at for tier in self.tiers if tier.oldest_at is not None), default=None)


def coverage_of(stores: Stores) -> Coverage:
    """Return how far audits are, as the catalog knows it."""
    now, asked = stores.clock.now(), asked_of(stores)
    totals = stores.catalog.audits.totals(now - MEASURED_OVER)
    limit = stores.settings.audit.rate_mb_s
    is_measured = totals.milliseconds >= ENOUGH_MS and totals.bytes_read > 0
    rate = totals.bytes_read / totals.milliseconds / 1000 if is_measured else limit or ASSUMED_MB_S
    rate = min(rate, limit) if limit is not None else rate
    tiers = [_tier(stores, each, rate, now) for each in asked]
    per_day = None
    if totals.first_at is not None:
        per_day = totals.bytes_read / max(1.0, (now - totals.first_at) / _DAY)
    needed = sum(
        tier.bytes_stored / (tier.asked.full / _DAY)
        for tier in tiers
        if tier.asked.full is not None and not tier.asked.is_slow
    )
    return Coverage(
        now,
        tiers,
        rate,
        is_measured,
        per_day,
        needed,
        totals.last_at,
        _alarms(tiers, now, totals.last_at, per_day),
    )


def _tier(stores: Stores, asked: Asked, rate_mb_s: float, now: datetime) -> TierCoverage:
    full = asked.full
    before = () if full is None else (now - full, now - planning.lead(full))
    found = stores.catalog.audits.readings_of(asked.tier, before)
    late, due = (0, 0) if full is None else found.before
    mark = mark_of(stores, asked.tier) if asked.is_slow else None
    return TierCoverage(
        asked,
        found.packages,
        found.bytes_stored,
        0 if full is None else found.packages - late,
        due,
        late,
        lateness.unsampled(stores, asked, now),
        found.oldest_at,
        progress_of(stores, asked),
        None if mark is None else mark.began_at,
        planning.forecast(asked.tier, found.bytes_stored, rate_mb_s, full)
        if found.packages and full
        else None,
    )


def _alarms(
    tiers: Sequence[TierCoverage], now: datetime, last_at: datetime | None, per_day_bytes: float | None
) -> list[Alarm]:
    alarms: list[Alarm] = []
    if any(tier.late or tier.unsampled for tier in tiers):
        alarms.append(Alarm.LATE)
    is_silent = last_at is None or last_at < now - SILENT_AFTER
    if is_silent and any(tier.due for tier in tiers):
        alarms.append(Alarm.SILENT)
    needed_days = sum(
        tier.forecast.days / tier.forecast.asked_days
        for tier in tiers
        if tier.forecast is not None and tier.forecast.asked_days and not tier.asked.is_slow
    )
    if needed_days > 1:  # the share of each day that reading takes
        alarms.append(Alarm.TOO_SLOW)
    if any(_is_behind(tier, now, per_day_bytes or 0.0) for tier in tiers):
        alarms.append(Alarm.BEHIND)
    return alarms


def _is_behind(tier: TierCoverage, now: datetime, per_day_bytes: float) -> bool:
    """Whether what is due for days already will be late, at the rate of lately, before it is read."""
    full = tier.asked.full
    if full is None or tier.oldest_at is None or not tier.due:
        return False
    is_waiting = tier.oldest_at + planning.lead(full) + SILENT_AFTER < now
    due_bytes = tier.bytes_stored * tier.due / tier.packages
    return is_waiting and due_bytes > per_day_bytes * ((full - planning.lead(full)) / _DAY)
