"""Which readings are due, in which order, and how long a round takes. Pure: no clock, no disk, no catalog.

Whoever is nearest to being late comes first; among packages of one tier that is whoever was read longest ago. A large
package's shards are read at different times within the period: damage that several of them share (a bad batch of
disks, a controller) is met by the first reading, and not by the last possible one. The invariants: when there is time
and budget, every shard is read once a period, before it is late; nothing is planned that is not due; and which
packages a random sample has follows from a seed that nobody chose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from math import ceil

from retention.model.digests import blake3_digest

LEAD = 0.9
"""A reading is due when this share of its period is over: what is left is the time to catch up in."""
GROUPS = 3
"""In how many readings the shards of a large package are read, at most."""
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What policy or archive.yaml asks of a tier. `full`: the longest time between two complete readings of each
    package, None if there is no such limit; `sample`: a share of packages read in full every `sample_every`.

    `is_slow`: what lies there has to be recalled before it is read. `spread_bytes`: from which size on shards are read
    at different times. `by_default`: no plan says anything, archive.yaml's default counts.
    """

    tier: str
    full: timedelta | None
    sample: float = 0.0
    sample_every: timedelta | None = None
    is_slow: bool = False
    spread_bytes: int = 0
    by_default: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package as far as planning needs it. `verified_at`: its oldest reading, `read_at` its newest."""

    row: int
    tier: str
    size_bytes: int
    shards: int
    verified_at: datetime
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """A package whose reading is due since `due_at`; `size_bytes` is about what is read of it now."""

    row: int
    tier: str
    due_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long one round over a tier takes at a rate, against what is asked."""

    tier: str
    size_bytes: int
    rate_mb_s: float
    days: float
    asked_days: float | None

    @property
    def is_enough(self) -> bool:
        return self.asked_days is None or self.days <= self.asked_days


def groups(size_bytes: int, shards: int, asked: Asked) -> int:
    """Return in how many readings a package's shards are read within a period."""
    return 1 if size_bytes < asked.spread_bytes else min(shards, GROUPS)


def lead(period: timedelta) -> timedelta:
    """Return after which time a reading is due again, so that it is not late before it is done."""
    return period * LEAD


def spacing(period: timedelta, count: int) -> timedelta:
    """Return the time between two readings of a package that is read in `count` groups."""
    return lead(period) / count


def due_at(package: Candidate, asked: Asked) -> datetime | None:
    """Return when the next reading of some of the package's shards is due, None for never."""
    if asked.full is None:
        return None
    count = groups(package.size_bytes, package.shards, asked)
    whole = package.verified_at + lead(asked.full)
    return whole if count == 1 else min(whole, package.read_at + spacing(asked.full, count))


def is_late(verified_at: datetime, asked: Asked, now: datetime) -> bool:
    """Whether the last complete reading is longer ago than is asked."""
    return asked.full is not None and verified_at + asked.full < now


def choose(readings: Sequence[datetime], size_bytes: int, asked: Asked, now: datetime) -> list[int]:
    """Return which of a package's shards are to be read now; `readings` says when each was read last.

    Those whose own reading is due, and at least one group: the ones read longest ago.
    """
    if asked.full is None or not readings:
        return list(range(len(readings)))
    count = groups(size_bytes, len(readings), asked)
    if count == 1:
        return list(range(len(readings)))
    in_order = sorted(range(len(readings)), key=lambda place: (readings[place], place))
    own_due = sum(readings[place] + lead(asked.full) <= now for place in in_order)
    return sorted(in_order[: max(own_due, ceil(len(readings) / count))])


def plan(
    streams: Iterable[Iterable[Candidate]], asked: Sequence[Asked], now: datetime, max_bytes: int | None
) -> Iterator[Planned]:
    """Yield what is due, nearest to being late first, until `max_bytes` are spent.

    Each stream is in the order in which its packages become due; one package may come in several. The first is planned
    even if it alone is larger than the budget: a large package would never be read otherwise.
    """
    by_tier = {each.tier: each for each in asked}
    queues = (_due(stream, by_tier, now) for stream in streams)
    seen: set[int] = set()
    spent_bytes = 0
    for planned in merge(*queues, key=lambda each: (each.due_at, each.row)):
        if planned.row in seen:
            continue
        if max_bytes is not None and spent_bytes and spent_bytes + planned.size_bytes > max_bytes:
            return
        seen.add(planned.row)
        spent_bytes += planned.size_bytes
        yield planned


def _due(stream: Iterable[Candidate], asked: dict[str, Asked], now: datetime) -> Iterator[Planned]:
    for package in stream:
        wanted = asked[package.tier]
        when = due_at(package, wanted)
        if when is not None and when <= now:
            count = groups(package.size_bytes, package.shards, wanted)
            if wanted.full is not None and package.read_at + lead(wanted.full) <= now:
                count = 1  # all of it is due
            yield Planned(package.row, package.tier, when, ceil(package.size_bytes / count))


def forecast(tier: str, size_bytes: int, rate_mb_s: float, asked: timedelta | None) -> Forecast:
    """Return how many days of reading without pause one round over a tier takes."""
    days = size_bytes / (rate_mb_s * MB) / 86400 if rate_mb_s > 0 else float("inf")
    return Forecast(tier, size_bytes, rate_mb_s, days, None if asked is None else asked / timedelta(days=1))


def sample_size(share: float, packages: int) -> int:
    """Return how many packages a sample has: at least one where there are any."""
    return ceil(share * packages) if share > 0 else 0


def draws(seed: bytes, tier: str, packages: int) -> Iterator[int]:
    """Yield numbers from 1 to `packages`, without end and with repetitions: which packages a sample takes.

    Number n is the n-th package that the journal tells of. Draw i is BLAKE3(seed ‖ tier ‖ i as 8 bytes), its first 16
    bytes as a number, modulo `packages`, plus 1.
    """
    place = 0
    while packages:
        digest = blake3_digest(seed + tier.encode() + place.to_bytes(8, "little"))
        yield 1 + int.from_bytes(digest[:16], "little") % packages
        place += 1


def share_due(began_at: datetime, period: timedelta, now: datetime) -> float:
    """Return how much of a round's sample should have been read by now: all of it before the round is over."""
    if period <= timedelta():
        return 1.0
    return min(1.0, max(0.0, (now - began_at) / lead(period)))
