"""Packages drawn by chance, however many there are: a number decides where to look, and the next one there is taken.

What follows a gap (a package that was superseded) is drawn a little more often; for a sample that is good enough.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from retention.catalog.database import Database
from retention.catalog.tables import PACKAGE
from retention.model.identifiers import PackageId


class Sampling:
    """What the catalog draws."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def drawn(self, tier: str, numbers: Sequence[int]) -> list[PackageId]:
        """Return packages in force on a tier, one for each number at most, and none twice.

        Recalled copies and what is known to be lost are left out.
        """
        own = (
            PACKAGE.c.tier == tier,
            PACKAGE.c.superseded_row.is_(None),
            PACKAGE.c.copy_of_row.is_(None),
            ~PACKAGE.c.lost,
        )
        found: dict[PackageId, None] = {}
        with self._database.read() as connection:
            first, last = connection.execute(select(func.min(PACKAGE.c.id), func.max(PACKAGE.c.id))).one()
            for number in numbers if first is not None else ():
                near = select(PACKAGE.c.package_id).where(*own).order_by(PACKAGE.c.id).limit(1)
                at = PACKAGE.c.id >= first + number % (last - first + 1)
                drawn = connection.execute(near.where(at)).scalar() or connection.execute(near).scalar()
                if drawn is not None:
                    found[PackageId(drawn)] = None
        return list(found)
