"""What is late: packages that were not read within the time that is asked, samples that a round did not finish.

A missed or late audit is itself a finding, whether or not anything turns out to be damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from retention.model.findings import Finding, FindingKind
from retention.services.audit.drawing import progress_of
from retention.services.audit.planning import Asked
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class Late:
    """Of a tier: packages whose last complete reading is longer ago than is asked, and what a sample lacks at the end
    of its round."""

    tier: str
    packages: int
    unsampled: int = 0
    asked_days: float | None = None

    @property
    def is_any(self) -> bool:
        return self.packages > 0 or self.unsampled > 0


def of(stores: Stores, asked: Iterable[Asked]) -> list[Late]:
    """Return what is late now, by tier: from the index, however much is held."""
    now = stores.clock.now()
    return [
        Late(
            each.tier,
            0 if each.full is None else stores.catalog.audits.late_on(each.tier, now - each.full),
            unsampled(stores, each, now),
            None if each.full is None else each.full.total_seconds() / 86400,
        )
        for each in asked
    ]


def unsampled(stores: Stores, asked: Asked, now: datetime) -> int:
    """Return how many packages of a sample were not read although its round is over."""
    sample = stores.catalog.audits.last_sample(asked.tier)
    if sample is None or asked.sample_every is None or now < sample.began_at + asked.sample_every:
        return 0
    progress = progress_of(stores, asked)
    return 0 if progress is None else max(0, progress.packages - progress.done)


def findings(before: Iterable[Late], after: Iterable[Late]) -> Iterator[Finding]:
    """Yield a finding for each tier that was late: put right if nothing is any more."""
    for was, now in zip(before, after, strict=True):
        if was.is_any:
            yield Finding(
                FindingKind.LATE,
                "",
                subject=f"tier {was.tier}",
                detail=_detail(was, now),
                repaired=not now.is_any,
            )


def _detail(was: Late, now: Late) -> str:
    parts = []
    if was.packages:
        read = was.packages - now.packages
        parts.append(
            f"{was.packages} packages were not read back within {was.asked_days:g} days; {max(0, read)} are now"
        )
    if was.unsampled:
        parts.append(f"{was.unsampled} packages of the last round's random sample were not read")
    return "; ".join(parts)
