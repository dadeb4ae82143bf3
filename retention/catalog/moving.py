"""Which studies lie on another tier than the plan wants, or will on a day: found by indexes, not by looking at each.

The invariant: a page of a walk costs what it holds. Pairs of tiers are walked one after another, each along the index
of packages by tier, and only those whose study's plan names the other tier are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from sqlalchemy import select

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.paging import Lane, walk
from retention.catalog.tables import PACKAGE, STUDY

Held = list[tuple[str, int]]
"""The packages of a study, copies left out: tier and bytes received."""

_OWN = PACKAGE.c.superseded_row.is_(None), PACKAGE.c.copy_of_row.is_(None), ~PACKAGE.c.lost


class Moving:
    """Reading what lies where, beside what the plans want. Studies are named by the rows of `StudyToDecide`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def astray(self, from_tier: str, to_tier: str, at_least_bytes: int) -> Iterator[int]:
        """Yield the studies that have a package of that size on one tier and whose plan wants them on another."""
        lane = Lane(
            select(PACKAGE.c.study_row)
            .join(STUDY, STUDY.c.id == PACKAGE.c.study_row)
            .where(
                PACKAGE.c.tier == from_tier,
                STUDY.c.plan_tier == to_tier,
                PACKAGE.c.bytes_received >= at_least_bytes,
                *_OWN,
            )
            .distinct(),
            (PACKAGE.c.study_row,),
        )
        return walk(self._database, lane, lambda _, page: [row.study_row for row in page])

    def moving_by(self, on: date) -> Iterator[int]:
        """Yield the studies whose plan has a next tier from that day on or earlier, soonest first."""
        lane = Lane(
            select(STUDY.c.move_on, STUDY.c.id).where(STUDY.c.move_on <= on), (STUDY.c.move_on, STUDY.c.id)
        )
        return walk(self._database, lane, lambda _, page: [row.id for row in page])

    def held_of(self, study_rows: Sequence[int]) -> dict[int, Held]:
        """Return where these studies lie."""
        found: dict[int, Held] = {row: [] for row in study_rows}
        columns = PACKAGE.c.study_row, PACKAGE.c.tier, PACKAGE.c.bytes_received
        wanted = select(*columns).where(PACKAGE.c.study_row.in_(study_rows), *_OWN).order_by(PACKAGE.c.id)
        with self._database.read() as connection:
            for row, tier, size_bytes in connection.execute(wanted):
                found[row].append((tier, size_bytes))
        return found

    def tiers(self) -> list[str]:
        """Return the names of all tiers that packages lie on, also those that archive.yaml has no more."""
        tiers: list[str] = []
        following = select(PACKAGE.c.tier).where(PACKAGE.c.superseded_row.is_(None)).order_by(PACKAGE.c.tier)
        with self._database.read() as connection:
            row: AnyRow | None = connection.execute(following.limit(1)).first()
            while row is not None:
                tiers.append(row.tier)
                row = connection.execute(following.where(PACKAGE.c.tier > row.tier).limit(1)).first()
        return tiers
