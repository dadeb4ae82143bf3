"""Whether what the catalog says of audits is what the journal says: rows that somebody edited by hand are noticed.

The catalog is an index, and coverage is counted from it. So every reading that it claims is compared with the entry of
that very instant: the entry must name the shard, as read whole and sound. And what the journal said last of a damaged
shard must not have become sound by itself. One pass over the shards that were read since they were written, and over
the entries that these readings are from: no volume but the journal's is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice

from retention.catalog.records import ShardState
from retention.model.canonical import JsonValue
from retention.model.errors import NotFoundError
from retention.model.identifiers import PackageId
from retention.services import audit_record
from retention.services.audit.days import entries_at, results_from
from retention.services.audit_record import SOUND, Method
from retention.services.stores import Stores

LISTED = 20
AT_ONCE = 200
WHOLE = (Method.FULL.value, Method.REPAIR.value)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where the catalog says something of an audit that the journal does not. `subject`: a package, or a day."""

    subject: str
    shard: int | None
    detail: str

    def __str__(self) -> str:
        if self.shard is None:
            return f"{self.subject}: {self.detail}"
        return f"{self.subject}, shard {self.shard}: {self.detail}"


def disagreements(stores: Stores, limit: int = LISTED) -> list[Disagreement]:
    """Return the first disagreements between catalog and journal; none is what there should be.

    Raises JournalBrokenError.
    """
    found = _chained(_packages(stores, limit), _readings(stores), _flaws(stores), _days(stores))
    return list(islice(found, limit))


def _chained(*looks: Iterable[Disagreement]) -> Iterator[Disagreement]:
    for look in looks:
        yield from look


def _packages(stores: Stores, limit: int) -> Iterator[Disagreement]:
    for package in stores.catalog.audits.inconsistent(limit):
        yield Disagreement(package, None, "its last check is not that of its shards")


Claim = tuple[str, int]


def _readings(stores: Stores) -> Iterator[Disagreement]:
    """Compare each claimed reading with the entries of its instant."""
    claims = groupby(stores.catalog.audits.claims(), key=lambda claim: claim[0])
    by_instant = ((at, {claim[1:] for claim in some}) for at, some in claims)
    while some := dict(islice(by_instant, AT_ONCE)):
        for at, said in _said(stores, some):
            for package, shard in sorted(some[at] - said):
                detail = f"the catalog says it was read on {at:%Y-%m-%d %H:%M:%S}, the journal does not"
                yield Disagreement(package, shard, detail)


def _said(stores: Stores, claims: Mapping[datetime, set[Claim]]) -> Iterator[tuple[datetime, set[Claim]]]:
    """Yield for each instant what the journal's entries of it say was read whole and is sound."""
    runs = stores.catalog.audits.runs_at(list(claims))
    said: dict[datetime, set[Claim]] = {at: set() for at in claims}
    for entry in entries_at(stores, runs):
        at = entry.envelope.at
        if at in said:
            said[at] |= {
                (result.package, result.shard)
                for result in results_from(entry)
                if result.method in WHOLE and result.result == SOUND
            }
    yield from said.items()


def _flaws(stores: Stores) -> Iterator[Disagreement]:
    """Find shards that the journal last knew as damaged, and that the catalog has as sound without another reading."""
    last: dict[tuple[PackageId, int], tuple[int, datetime]] = {}
    for entry in entries_at(stores, stores.catalog.audits.with_flaws()):
        for package, shards in audit_record.decode(entry.payload or b"").flawed.items():
            for shard in shards:
                last[package, shard.number] = shard.generation, entry.envelope.at
    for (package, number), (generation, at) in last.items():
        try:
            known = {shard.number: shard for shard in stores.catalog.shards_of(package)}
        except NotFoundError:
            continue  # destroyed since
        now = known.get(number)
        if now is None or now.generation != generation or now.state is not ShardState.SOUND:
            continue
        if now.verified_at is None or now.verified_at < at:
            yield Disagreement(
                package, number, "the journal says it is damaged, the catalog that it is sound"
            )


def _days(stores: Stores) -> Iterator[Disagreement]:
    """Compare what the catalog says a day's results are with what the journal committed to."""
    days = {record.sequence: record for record in stores.catalog.audits.days()}
    for entry in entries_at(stores, sorted(days)):
        record = days.pop(entry.envelope.seq)
        expected: dict[str, JsonValue] = {
            "day": record.day.isoformat(),
            "results": record.results,
            "bytes": record.bytes_read,
            "digest": record.digest.hex(),
        }
        if dict(entry.envelope.data) != expected:
            yield Disagreement(
                record.day.isoformat(), None, "the catalog has other results of that day than the journal"
            )
    for record in days.values():
        yield Disagreement(record.day.isoformat(), None, "the journal has no such day")
