"""Drawing a random sample again from its seed, and how far a round has come with it.

The invariant: the same seed, among the same packages, gives the same sample, less what has left the tier.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil

from retention.catalog.audit_records import AuditSampleRecord, PackageReading
from retention.services.audit import planning
from retention.services.audit.planning import Asked
from retention.services.stores import Stores

DRAWN_AT_ONCE = 500
MOST_DRAWS = 1000
"""How many times as many numbers as the sample has are drawn at most: packages leave a tier."""


@dataclass(frozen=True, slots=True)
class SampleProgress:
    """How far a round's sample is: `due` packages should have been read by now, `done` were, of `packages`."""

    round: AuditSampleRecord
    done: int
    due: int

    @property
    def packages(self) -> int:
        return self.round.packages


def progress_of(stores: Stores, asked: Asked) -> SampleProgress | None:
    """Return how far the sample of the tier's round is, None where there is none."""
    sample = stores.catalog.audits.last_sample(asked.tier)
    if sample is None or not asked.sample or asked.sample_every is None:
        return None
    done = sum(reading.verified_at >= sample.began_at for reading in drawn(stores, sample))
    return SampleProgress(sample, done, due_of(stores, asked, sample))


def drawn(stores: Stores, sample: AuditSampleRecord) -> Iterator[PackageReading]:
    """Yield the packages of a sample, in the order in which they were drawn, as far as they are still on the tier."""
    numbers = planning.draws(sample.seed, sample.tier, sample.among)
    seen: set[int] = set()
    for _ in range(ceil(max(sample.packages, 1) * MOST_DRAWS / DRAWN_AT_ONCE)):
        if len(seen) >= sample.packages:
            return
        some = list(islice(numbers, DRAWN_AT_ONCE))
        found = stores.catalog.audits.of_tier(sample.tier, some)
        for number in some:
            if number in found and number not in seen and len(seen) < sample.packages:
                seen.add(number)
                yield found[number]


def due_of(stores: Stores, asked: Asked, sample: AuditSampleRecord) -> int:
    """Return how many packages of the sample should have been read by now."""
    if asked.sample_every is None:
        return 0
    return ceil(sample.packages * planning.share_due(sample.began_at, asked.sample_every, stores.clock.now()))
