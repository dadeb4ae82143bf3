"""Sums over the whole catalog, for reports: what lies where, in which state, how well checked, and what ends when.

Each is one pass of the database over one table, so a million studies cost seconds and no memory. What was superseded is
not counted; a study on two tiers counts on both, and once in the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, case, extract, func, select

from retention.catalog.metering import Metering
from retention.catalog.tables import INSTITUTION, PACKAGE, SERIES, SHARD, STUDY, VOLUME


@dataclass(frozen=True, slots=True)
class Held:
    """What an institution holds on a tier, by the modalities of its studies (`CT`, `CT,SR`)."""

    institution: str
    tier: str
    modalities: str
    studies: int
    instances: int
    bytes_received: int
    bytes_stored: int


@dataclass(frozen=True, slots=True)
class OnTier:
    """What an institution has on a tier, quarantine included; a study on two tiers counts on both."""

    institution: str
    tier: str
    studies: int
    packages: int
    instances: int
    bytes_received: int
    bytes_stored: int


@dataclass(frozen=True, slots=True)
class InState:
    """How many studies of an institution are in a state."""

    institution: str
    state: str
    studies: int
    instances: int
    bytes_received: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How many studies of an institution may end in a year, by the date that is computed today."""

    institution: str
    year: int
    studies: int
    bytes_received: int


@dataclass(frozen=True, slots=True)
class Checked:
    """How long ago the packages of a tier were last read whole: counts for each upper bound of an age in days.

    `by_age` has one number for each bound asked for, and a last one for what is older.
    """

    tier: str
    packages: int
    lost: int
    oldest_at: datetime
    by_age: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flawed:
    """Shards of a tier that are not sound, by state."""

    tier: str
    state: str
    shards: int


@dataclass(frozen=True, slots=True)
class Placed:
    """What lies on a volume."""

    volume: str
    site: str
    domain: str
    shards: int
    bytes_stored: int


@dataclass(frozen=True, slots=True)
class Margin:
    """Packages of a tier with shards that are not sound, by how many more may fail (negative: too many have)."""

    tier: str
    left: int
    packages: int


class Figures:
    """The sums, of one institution or of all; made by `Catalog.figures`, of no use after its block."""

    def __init__(self, connection: Connection, institution: str | None = None) -> None:
        self._connection = connection
        self._institution = institution

    def held(self) -> list[Held]:
        """Return the holdings by institution, tier and modalities; quarantine is not among them."""
        columns = (INSTITUTION.c.name, PACKAGE.c.tier, STUDY.c.modalities)
        statement = (
            select(
                *columns,
                func.count(STUDY.c.id.distinct()),
                func.sum(PACKAGE.c.instances),
                func.sum(PACKAGE.c.bytes_received),
                func.sum(PACKAGE.c.bytes_stored),
            )
            .select_from(PACKAGE)
            .join(STUDY, STUDY.c.id == PACKAGE.c.study_row)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(PACKAGE.c.superseded_row.is_(None), *_of(self._institution))
            .group_by(*columns)
            .order_by(*columns)
        )
        return [
            Held(name, tier, modalities, studies, int(instances), int(received), int(stored))
            for name, tier, modalities, studies, instances, received, stored in self._connection.execute(
                statement
            )
        ]

    def on_tiers(self) -> list[OnTier]:
        """Return what lies on each tier, by institution: one pass over the packages."""
        columns = (INSTITUTION.c.name, PACKAGE.c.tier)
        statement = (
            select(
                *columns,
                func.count(PACKAGE.c.study_row.distinct()),
                func.count(),
                func.sum(PACKAGE.c.instances),
                func.sum(PACKAGE.c.bytes_received),
                func.sum(PACKAGE.c.bytes_stored),
            )
            .select_from(PACKAGE)
            .join(INSTITUTION, INSTITUTION.c.id == PACKAGE.c.institution_row)
            .where(PACKAGE.c.superseded_row.is_(None), *_of(self._institution))
            .group_by(*columns)
            .order_by(*columns)
        )
        return [
            OnTier(name, tier, *(int(number) for number in numbers))
            for name, tier, *numbers in self._connection.execute(statement)
        ]

    def states(self) -> list[InState]:
        """Return how many studies are in which state."""
        columns = (INSTITUTION.c.name, STUDY.c.state)
        statement = (
            select(*columns, func.count(), func.sum(STUDY.c.instances), func.sum(STUDY.c.bytes_received))
            .select_from(STUDY)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(*_of(self._institution))
            .group_by(*columns)
            .order_by(*columns)
        )
        return [
            InState(name, state, studies, int(instances), int(received))
            for name, state, studies, instances, received in self._connection.execute(statement)
        ]

    def endings(self) -> list[Ending]:
        """Return how many studies may end in each year."""
        year = extract("year", STUDY.c.keep_until_on)
        statement = (
            select(INSTITUTION.c.name, year, func.count(), func.sum(STUDY.c.bytes_received))
            .select_from(STUDY)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(STUDY.c.keep_until_on.is_not(None), *_of(self._institution))
            .group_by(INSTITUTION.c.name, year)
            .order_by(INSTITUTION.c.name, year)
        )
        return [
            Ending(name, int(in_year), studies, int(received))
            for name, in_year, studies, received in self._connection.execute(statement)
        ]

    def ended(self, before: date) -> int:
        """Return how many studies have a computed end before a day."""
        statement = (
            select(func.count())
            .select_from(STUDY)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(STUDY.c.keep_until_on < before, *_of(self._institution))
        )
        return int(self._connection.execute(statement).scalar() or 0)

    def checked(self, verified_since: Sequence[datetime]) -> list[Checked]:
        """Return for each tier how many packages were read since which instant; `verified_since`: latest first."""
        ages = [
            func.sum(case((_between(since, before), 1), else_=0))
            for since, before in zip([*verified_since, None], [None, *verified_since], strict=True)
        ]
        statement = (
            select(
                PACKAGE.c.tier,
                func.count(),
                func.sum(case((PACKAGE.c.lost, 1), else_=0)),
                func.min(PACKAGE.c.verified_at),
                *ages,
            )
            .select_from(PACKAGE)
            .join(INSTITUTION, INSTITUTION.c.id == PACKAGE.c.institution_row)
            .where(PACKAGE.c.superseded_row.is_(None), *_of(self._institution))
            .group_by(PACKAGE.c.tier)
            .order_by(PACKAGE.c.tier)
        )
        return [
            Checked(tier, packages, int(lost), oldest_at, tuple(int(count) for count in counts))
            for tier, packages, lost, oldest_at, *counts in self._connection.execute(statement)
        ]

    def flawed(self) -> list[Flawed]:
        """Return how many shards are not sound."""
        columns = (PACKAGE.c.tier, SHARD.c.state)
        statement = (
            select(*columns, func.count())
            .select_from(SHARD)
            .join(PACKAGE, PACKAGE.c.id == SHARD.c.package_row)
            .join(INSTITUTION, INSTITUTION.c.id == PACKAGE.c.institution_row)
            .where(SHARD.c.state != "sound", PACKAGE.c.superseded_row.is_(None), *_of(self._institution))
            .group_by(*columns)
            .order_by(*columns)
        )
        return [Flawed(tier, state, shards) for tier, state, shards in self._connection.execute(statement)]

    def margins(self) -> list[Margin]:
        """Return how far packages that are not whole are from being lost."""
        bad = (
            select(SHARD.c.package_row, func.count().label("bad"))
            .where(SHARD.c.state != "sound")
            .group_by(SHARD.c.package_row)
            .subquery()
        )
        left = PACKAGE.c.parity - bad.c.bad
        statement = (
            select(PACKAGE.c.tier, left, func.count())
            .join(bad, bad.c.package_row == PACKAGE.c.id)
            .join(INSTITUTION, INSTITUTION.c.id == PACKAGE.c.institution_row)
            .where(PACKAGE.c.superseded_row.is_(None), *_of(self._institution))
            .group_by(PACKAGE.c.tier, left)
            .order_by(PACKAGE.c.tier, left)
        )
        return [
            Margin(tier, margin, packages) for tier, margin, packages in self._connection.execute(statement)
        ]

    def series(self) -> int:
        """Return how many series are held."""
        statement = (
            select(func.count(SERIES.c.id))
            .join(STUDY, STUDY.c.id == SERIES.c.study_row)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(*_of(self._institution))
        )
        return int(self._connection.execute(statement).scalar() or 0)

    def metering(self, before: datetime) -> Metering:
        """Return the sums by month of what was before an instant."""
        return Metering(self._connection, before, self._institution)

    def placed(self) -> list[Placed]:
        """Return what lies on each volume, all institutions together."""
        statement = (
            select(
                VOLUME.c.name,
                VOLUME.c.site,
                VOLUME.c.domain,
                func.count(SHARD.c.number),
                func.coalesce(func.sum(SHARD.c.size_bytes), 0),
            )
            .select_from(VOLUME)
            .outerjoin(SHARD, SHARD.c.volume_row == VOLUME.c.id)
            .group_by(VOLUME.c.name, VOLUME.c.site, VOLUME.c.domain)
            .order_by(VOLUME.c.name)
        )
        return [
            Placed(name, site, domain, shards, int(stored))
            for name, site, domain, shards, stored in self._connection.execute(statement)
        ]


def _of(institution: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if institution is None else (INSTITUTION.c.name == institution,)


def _between(since: datetime | None, before: datetime | None) -> ColumnElement[bool]:
    at = PACKAGE.c.verified_at
    conditions = []
    if since is not None:
        conditions.append(at >= since)
    if before is not None:
        conditions.append(at < before)
    return conditions[0] if len(conditions) == 1 else conditions[0] & conditions[1]
