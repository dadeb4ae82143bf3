"""Audits as the catalog keeps them: which packages were read longest ago, what runs came to, days and samples.

The invariant: whoever asks what is due pays for what is due, however much is held: each list follows an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, TextClause, func, insert, select

from retention.catalog.audit_records import (
    AuditDayRecord,
    AuditRunRecord,
    AuditSampleRecord,
    AuditTotals,
    PackageReading,
    TierReadings,
)
from retention.catalog.audit_tables import AUDIT_DAY, AUDIT_RUN, AUDIT_SAMPLE
from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.packages import KEYS, read_packages
from retention.catalog.paging import Lane, walk
from retention.catalog.records import PackageSummary
from retention.catalog.tables import PACKAGE, SHARD, SPREAD
from retention.model.identifiers import PackageId

REPAIR_MODE = "repair"
"""The mode of what was read back after it was made again, by a `shard.repair` entry."""
_LIVE = PACKAGE.c.superseded_row.is_(None)
_READING = (
    PACKAGE.c.id,
    PACKAGE.c.tier,
    PACKAGE.c.bytes_stored,
    PACKAGE.c.data,
    PACKAGE.c.parity,
    PACKAGE.c.verified_at,
    PACKAGE.c.read_at,
)


class Audits:
    """What the catalog answers about audits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def longest_unread(self, tier: str, before: datetime) -> Iterator[PackageReading]:
        """Stream the packages of a tier that have a shard last read before an instant, longest ago first."""
        found = self._readings(PACKAGE.c.verified_at, _LIVE, PACKAGE.c.tier == tier)
        return takewhile(lambda reading: reading.verified_at <= before, found)

    def longest_untouched(self, tier: str, before: datetime) -> Iterator[PackageReading]:
        """Stream the large packages of a tier (`tables.SPREAD_BYTES`) of which nothing was read since an instant."""
        found = self._readings(PACKAGE.c.read_at, SPREAD, PACKAGE.c.tier == tier)
        return takewhile(lambda reading: reading.read_at <= before, found)

    def _readings(
        self, at: Column[datetime], *wanted: ColumnElement[bool] | TextClause
    ) -> Iterator[PackageReading]:
        keys = select(at.label("place"), *_READING).where(*wanted)
        return walk(
            self._database,
            Lane(keys, (at, PACKAGE.c.id)),
            lambda _, page: [_reading(row[1:]) for row in page],
        )

    def on_tier(self, tier: str, after: int, limit: int) -> list[int]:
        """Return the rows of packages of a tier behind a row, in order of arrival.

        The walk is along the rows themselves: an index by tier would have to be sorted for each page.
        """
        is_there = PACKAGE.c.tier.concat("") == tier
        wanted = select(PACKAGE.c.id).where(_LIVE, is_there, PACKAGE.c.id > after)
        with self._database.read() as connection:
            return list(connection.execute(wanted.order_by(PACKAGE.c.id).limit(limit)).scalars())

    def of_tier(self, tier: str, rows: Sequence[int]) -> dict[int, PackageReading]:
        """Return those of these rows that are packages in force on a tier."""
        found: dict[int, PackageReading] = {}
        with self._database.read() as connection:
            for start in range(0, len(rows), KEYS):
                some = _of_rows(rows[start : start + KEYS]).where(_LIVE, PACKAGE.c.tier == tier)
                found.update({row.id: _reading(row) for row in connection.execute(some)})
        return found

    def packages(self, rows: Sequence[int]) -> list[PackageSummary]:
        """Return packages in the order of `rows`; those that are superseded by now are left out."""
        with self._database.read() as connection:
            found = read_packages(connection, rows)
        return [found[row] for row in rows if row in found and not found[row].is_superseded]

    def newest_row(self) -> int:
        """How many packages the journal has told of."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.max(PACKAGE.c.id))).scalar() or 0)

    def count_on(self, tier: str) -> int:
        """How many packages lie on a tier."""
        wanted = select(func.count()).select_from(PACKAGE).where(_LIVE, PACKAGE.c.tier == tier)
        with self._database.read() as connection:
            return int(connection.execute(wanted).scalar_one())

    def readings_of(self, tier: str, before: Sequence[datetime]) -> TierReadings:
        """Sum up a tier: linear in what lies on it, for reports and not for planning."""
        own = _LIVE, PACKAGE.c.tier == tier
        sums = (
            func.count(),
            func.coalesce(func.sum(PACKAGE.c.bytes_stored), 0),
            func.min(PACKAGE.c.verified_at),
        )
        with self._database.read() as connection:
            packages, stored, oldest_at = connection.execute(select(*sums).where(*own)).one()
            counts = [
                int(
                    connection.execute(
                        select(func.count()).select_from(PACKAGE).where(*own, PACKAGE.c.verified_at < each)
                    ).scalar_one()
                )
                for each in before
            ]
        return TierReadings(tier, packages, int(stored), oldest_at, tuple(counts))

    def late_on(self, tier: str, before: datetime) -> int:
        """How many packages of a tier were last read whole before an instant: from the index alone."""
        wanted = select(func.count()).select_from(PACKAGE).where(_LIVE, PACKAGE.c.tier == tier)
        with self._database.read() as connection:
            return int(connection.execute(wanted.where(PACKAGE.c.verified_at < before)).scalar_one())

    def runs(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[AuditRunRecord]:
        """Stream what audits came to in a time, oldest first."""
        wanted = select(AUDIT_RUN.c.at, AUDIT_RUN.c.sequence)
        if since is not None:
            wanted = wanted.where(AUDIT_RUN.c.at >= since)
        if until is not None:
            wanted = wanted.where(AUDIT_RUN.c.at < until)

        def read(connection: Connection, page: Sequence[AnyRow]) -> list[AuditRunRecord]:
            some = select(AUDIT_RUN).where(AUDIT_RUN.c.sequence.in_([row.sequence for row in page]))
            found = {row.sequence: AuditRunRecord(*row) for row in connection.execute(some)}
            return [found[row.sequence] for row in page]

        return walk(self._database, Lane(wanted, (AUDIT_RUN.c.at, AUDIT_RUN.c.sequence)), read)

    def runs_at(self, instants: Sequence[datetime]) -> list[int]:
        """Return the entries of these instants, in their order."""
        found: list[int] = []
        with self._database.read() as connection:
            for start in range(0, len(instants), KEYS):
                some = AUDIT_RUN.c.at.in_(instants[start : start + KEYS])
                found += connection.execute(select(AUDIT_RUN.c.sequence).where(some)).scalars()
        return sorted(found)

    def totals(self, since: datetime) -> AuditTotals:
        """Sum up the audits since an instant; repairs are none."""
        sums = [
            func.coalesce(func.sum(column), 0)
            for column in (AUDIT_RUN.c.packages, AUDIT_RUN.c.bytes_read, AUDIT_RUN.c.milliseconds)
        ]
        is_audit = AUDIT_RUN.c.mode != REPAIR_MODE
        summed = select(func.count(), *sums, func.min(AUDIT_RUN.c.at)).where(
            is_audit, AUDIT_RUN.c.at >= since
        )
        last = select(AUDIT_RUN.c.at).where(is_audit).order_by(AUDIT_RUN.c.at.desc()).limit(1)
        with self._database.read() as connection:
            runs, packages, bytes_read, milliseconds, first_at = connection.execute(summed).one()
            last_at = connection.execute(last).scalar()
        return AuditTotals(runs, int(packages), int(bytes_read), int(milliseconds), first_at, last_at)

    def inconsistent(self, limit: int) -> list[str]:
        """Return packages whose oldest reading is not that of their shards: nothing but a hand does that."""
        own = SHARD.c.package_row == PACKAGE.c.id, SHARD.c.volume_row.is_not(None)
        oldest = select(func.min(func.coalesce(SHARD.c.verified_at, PACKAGE.c.created_at))).where(*own)
        expected = func.coalesce(oldest.correlate(PACKAGE).scalar_subquery(), PACKAGE.c.created_at)
        wanted = select(PACKAGE.c.package_id).where(_LIVE, PACKAGE.c.verified_at != expected)
        with self._database.read() as connection:
            return list(connection.execute(wanted.order_by(PACKAGE.c.id).limit(limit)).scalars())

    def claims(self) -> Iterator[tuple[datetime, str, int]]:
        """Stream every shard in force that was read since its package was made: when, package, number; in order of the
        time."""
        wanted = (
            select(SHARD.c.verified_at, PACKAGE.c.package_id, SHARD.c.number)
            .join(PACKAGE, PACKAGE.c.id == SHARD.c.package_row)
            .where(_LIVE, SHARD.c.verified_at != PACKAGE.c.created_at)
            .order_by(SHARD.c.verified_at)
        )
        with self._database.read() as connection:
            for row in connection.execute(wanted.execution_options(yield_per=10_000)):
                yield row.verified_at, row.package_id, row.number

    def with_flaws(self) -> list[int]:
        """Return the entries that say of some shard that it is not as it must be, oldest first."""
        wanted = select(AUDIT_RUN.c.sequence).where(AUDIT_RUN.c.flawed > 0).order_by(AUDIT_RUN.c.sequence)
        with self._database.read() as connection:
            return list(connection.execute(wanted).scalars())

    def days(self) -> list[AuditDayRecord]:
        """Every day whose results the journal committed to, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(AUDIT_DAY).order_by(AUDIT_DAY.c.day))
            return [AuditDayRecord(r.day, r.sequence, r.results, r.bytes_read, bytes(r.digest)) for r in rows]

    def last_sample(self, tier: str) -> AuditSampleRecord | None:
        """The sample of a tier's newest round, None before the first."""
        wanted = select(AUDIT_SAMPLE).where(AUDIT_SAMPLE.c.tier == tier)
        with self._database.read() as connection:
            row = connection.execute(wanted.order_by(AUDIT_SAMPLE.c.round.desc()).limit(1)).first()
        if row is None:
            return None
        return AuditSampleRecord(
            row.tier, row.round, row.sequence, row.began_at, bytes(row.seed), row.packages, row.among
        )


class AuditWriting:
    """What may be noted about audits in one step of the committer. Noting an entry twice changes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known(self, package_ids: Sequence[PackageId]) -> set[PackageId]:
        """Return those of these packages that were not destroyed since they were read."""
        found: set[PackageId] = set()
        for start in range(0, len(package_ids), KEYS):
            some = PACKAGE.c.package_id.in_(package_ids[start : start + KEYS])
            found.update(
                map(PackageId, self._connection.execute(select(PACKAGE.c.package_id).where(some)).scalars())
            )
        return found

    def run(self, record: AuditRunRecord) -> None:
        """Note what an `audit.run` entry came to."""
        known = select(AUDIT_RUN.c.sequence).where(AUDIT_RUN.c.sequence == record.sequence)
        if self._connection.execute(known).first() is None:
            values = {
                "sequence": record.sequence,
                "at": record.at,
                "mode": record.mode,
                "packages": record.packages,
                "shards": record.shards,
                "bytes_read": record.bytes_read,
                "milliseconds": record.milliseconds,
                "flawed": record.flawed,
                "findings": record.findings,
                "lost": record.lost,
            }
            self._connection.execute(insert(AUDIT_RUN), values)

    def day(self, record: AuditDayRecord) -> None:
        """Note what the journal says a day's results are; the first that it said counts."""
        known = select(AUDIT_DAY.c.day).where(AUDIT_DAY.c.day == record.day)
        if self._connection.execute(known).first() is None:
            values: dict[str, date | int | bytes] = {
                "day": record.day,
                "sequence": record.sequence,
                "results": record.results,
                "bytes_read": record.bytes_read,
                "digest": record.digest,
            }
            self._connection.execute(insert(AUDIT_DAY), values)

    def sample(self, record: AuditSampleRecord) -> None:
        """Note a round's sample; the first seed that was said for a round counts."""
        same = AUDIT_SAMPLE.c.tier == record.tier, AUDIT_SAMPLE.c.round == record.round
        if self._connection.execute(select(AUDIT_SAMPLE.c.tier).where(*same)).first() is None:
            values = {
                "tier": record.tier,
                "round": record.round,
                "sequence": record.sequence,
                "began_at": record.began_at,
                "seed": record.seed,
                "packages": record.packages,
                "among": record.among,
            }
            self._connection.execute(insert(AUDIT_SAMPLE), values)


def _of_rows(rows: Sequence[int]) -> Select[tuple[Any, ...]]:
    return select(*_READING).where(PACKAGE.c.id.in_(rows))


def _reading(row: Sequence[Any]) -> PackageReading:
    number, tier, size_bytes, data, parity, verified_at, read_at = row
    return PackageReading(number, tier, size_bytes, data + parity, verified_at, read_at)
