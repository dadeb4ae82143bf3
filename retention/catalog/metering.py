"""What each institution put in and has lying where, month by month: the sums that a shared archive is paid by.

Each is one pass of the database. What was destroyed since is in the journal and no longer here; whoever compares them
knows how much that is. Copies that a recall brought back for a while are not counted as stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, case, func, select, type_coerce

from retention.catalog.recall_tables import RECALL
from retention.catalog.tables import INSTITUTION, PACKAGE, STUDY
from retention.model.identifiers import InstitutionId


@dataclass(frozen=True, slots=True)
class Metered:
    """Sums for one institution, modality (`CT`, `CT,SR`), tier and month (`2026-11`, UTC).

    `exams` are studies that first came in then; `stored` is what came to lie on the tier less what left it.
    """

    institution_id: InstitutionId
    modality: str
    tier: str
    month: str
    exams: int = 0
    instances: int = 0
    bytes_in: int = 0
    stored: int = 0
    recalls: int = 0


class Metering:
    """The sums of what was before an instant, of one institution or of all; of use while its connection is."""

    def __init__(self, connection: Connection, before: datetime, institution: str | None = None) -> None:
        self._connection = connection
        self._before = before
        self._conditions = () if institution is None else (INSTITUTION.c.name == institution,)

    def arrived(self) -> Iterator[Metered]:
        """Yield what came in: packages as they were ingested, wherever they were moved since."""
        is_first = PACKAGE.c.created_at == STUDY.c.received_at
        sums = (
            func.count(case((is_first, PACKAGE.c.study_row)).distinct()),
            func.sum(PACKAGE.c.instances),
            func.sum(PACKAGE.c.bytes_received),
        )
        is_ingested = PACKAGE.c.supersedes_row.is_(None) & PACKAGE.c.copy_of_row.is_(None)
        for *key, exams, instances, received in self._grouped(PACKAGE.c.created_at, sums, is_ingested):
            yield Metered(*_key(key), exams=int(exams), instances=int(instances), bytes_in=int(received))

    def stored(self) -> Iterator[Metered]:
        """Yield what came to lie on a tier (positive) and what was moved away from it (negative)."""
        total = (func.sum(PACKAGE.c.bytes_stored),)
        is_own = PACKAGE.c.copy_of_row.is_(None)
        for *key, stored in self._grouped(PACKAGE.c.created_at, total, is_own):
            yield Metered(*_key(key), stored=int(stored))
        after = PACKAGE.alias("after")
        moved = self._select(after.c.created_at, total).join(after, after.c.id == PACKAGE.c.superseded_row)
        for *key, stored in self._connection.execute(moved.where(is_own)):
            yield Metered(*_key(key), stored=-int(stored))

    def recalled(self) -> Iterator[Metered]:
        """Yield how often studies were asked for, by the tier that their first package lies on."""
        first = (
            select(PACKAGE.c.study_row, func.min(PACKAGE.c.id).label("package"))
            .where(PACKAGE.c.superseded_row.is_(None), PACKAGE.c.copy_of_row.is_(None))
            .where(PACKAGE.c.study_row.in_(select(RECALL.c.study_row)))
            .group_by(PACKAGE.c.study_row)
            .subquery()
        )
        statement = (
            self._select(RECALL.c.requested_at, (func.count(RECALL.c.id.distinct()),))
            .join(RECALL, RECALL.c.study_row == STUDY.c.id)
            .join(first, first.c.package == PACKAGE.c.id)
        )
        for *key, recalls in self._connection.execute(statement):
            yield Metered(*_key(key), recalls=int(recalls))

    def _grouped(
        self, at: ColumnElement[Any], sums: tuple[ColumnElement[Any], ...], condition: ColumnElement[bool]
    ) -> Iterator[Any]:
        return iter(self._connection.execute(self._select(at, sums).where(condition)))

    def _select(self, at: ColumnElement[Any], sums: tuple[ColumnElement[Any], ...]) -> Select[Any]:
        key = (
            INSTITUTION.c.institution_id,
            STUDY.c.modalities,
            PACKAGE.c.tier,
            self._month(at),
        )
        return (
            select(*key, *sums)
            .select_from(PACKAGE)
            .join(STUDY, STUDY.c.id == PACKAGE.c.study_row)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(at < self._before, *self._conditions)
            .group_by(*key)
            .order_by(*key)
        )

    def _month(self, at: ColumnElement[Any]) -> ColumnElement[str]:
        """Return the month of an instant in UTC; SQLite has it as microseconds (`columns.Instant`)."""
        if self._connection.dialect.name == "sqlite":
            return func.strftime("%Y-%m", type_coerce(at, BigInteger) // 1_000_000, "unixepoch")
        return func.to_char(func.timezone("UTC", at), "YYYY-MM")


def _key(row: list[Any]) -> tuple[InstitutionId, str, str, str]:
    institution, modalities, tier, month = row
    return InstitutionId(institution), modalities, tier, month
