"""A day's results: which rows they are, in which order, and the digest by which the journal commits to them.

The rows of a day (UTC) are a function of its `audit.run` entries alone, so whoever has the journal makes the same ones:
the history file, the digest, the comparison with the catalog. The invariant: a day is committed to once, when it is
over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from retention.journal.envelope import Entry
from retention.model.canonical import canonical_json
from retention.model.clock import format_instant
from retention.services import audit_record, commit, events
from retention.services.audit_record import CheckedPackage
from retention.services.entries import audits as entries
from retention.services.stores import Stores

SETTLED = timedelta(hours=1)
"""So long after its end a day gets no more results."""

NEAR = 500
"""So few entries apart, going on reading is quicker than looking a place up."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Result:
    """One check of one shard. Ordered by journal entry, package, shard and method."""

    entry: int
    package: str
    shard: int
    method: str
    at: datetime
    tier: str
    volume: str
    generation: int
    read_bytes: int
    result: str
    repaired: bool

    def line(self) -> bytes:
        """The canonical form that the digest is over: one JSON array."""
        return canonical_json(
            [
                self.entry,
                self.package,
                self.shard,
                self.method,
                format_instant(self.at),
                self.tier,
                self.volume,
                self.generation,
                self.read_bytes,
                self.result,
                self.repaired,
            ]
        )


@dataclass(frozen=True, slots=True)
class Sum:
    """What a day's results come to. `digest`: SHA-256 over their lines, each ended by a newline."""

    results: int
    read_bytes: int
    digest: bytes


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """Return the first instant of a day, and of the next."""
    begin = datetime.combine(day, time.min, UTC)
    return begin, begin + _DAY


def results_of(stores: Stores, day: date) -> Iterator[Result]:
    """Yield the results of a day, in order. Raises JournalBrokenError."""
    since, until = bounds_of(day)
    runs = stores.catalog.audits.runs(since, until)
    for entry in entries_at(stores, sorted(run.sequence for run in runs)):
        yield from results_from(entry)


def results_in(stores: Stores, sequence: int) -> list[Result]:
    """Return the results of one entry, in order; none for an entry that has none. Raises JournalBrokenError."""
    for entry in stores.journal.read(sequence):
        return results_from(entry)
    return []


def results_from(entry: Entry) -> list[Result]:
    """Return the results that an `audit.run` or `shard.repair` entry tells of, in order."""
    return sorted(
        Result(
            entry.envelope.seq,
            check.package,
            shard.number,
            check.method.value,
            entry.envelope.at,
            check.tier,
            shard.volume,
            shard.generation,
            shard.read_bytes,
            shard.result,
            shard.repaired,
        )
        for check in _checks(entry)
        for shard in check.shards
    )


def _checks(entry: Entry) -> list[CheckedPackage]:
    if entry.envelope.action == events.SHARD_REPAIR:
        return [entries.repaired_check(entry)]
    if entry.envelope.action == events.AUDIT_RUN and entry.payload is not None:
        return audit_record.decode(entry.payload).checks
    return []


def entries_at(stores: Stores, sequences: Iterable[int]) -> Iterator[Entry]:
    """Yield entries by their numbers, which ascend; those that lie near each other are read in one go."""
    reading: Iterator[Entry] = iter(())
    at = -NEAR
    for wanted in sequences:
        if wanted - at >= NEAR:
            reading = stores.journal.read(wanted)
        for entry in reading:
            at = entry.envelope.seq
            if at == wanted:
                yield entry
                break


def summed(results: Iterable[Result]) -> Sum:
    """Return what results come to, in the order in which they are given."""
    digest, count, read_bytes = hashlib.sha256(), 0, 0
    for result in results:
        digest.update(result.line() + b"\n")
        count += 1
        read_bytes += result.read_bytes
    return Sum(count, read_bytes, digest.digest())


def commit_days(stores: Stores) -> list[date]:
    """Commit to every day that is over and was not committed to yet; return these days.

    An hour after its end: what was noted just before midnight may be entered after it.
    """
    today = (stores.clock.now() - SETTLED).date()
    done = {record.day for record in stores.catalog.audits.days()}
    last = max(done, default=None)
    since = None if last is None else bounds_of(last)[1]
    days = sorted({run.at.date() for run in stores.catalog.audits.runs(since, bounds_of(today)[0])} - done)
    for day in days:
        found = summed(results_of(stores, day))
        entry = entries.day_entry(
            day,
            at=stores.clock.now(),
            actor=stores.actor,
            results=found.results,
            read_bytes=found.read_bytes,
            digest=found.digest,
        )
        commit.append(stores, [entry])
    return days
