"""Recalls as the catalog keeps them: asked for, ready for a time, over.

The invariant: every change comes from a journal entry, and applying it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.packages import package_row
from retention.catalog.paging import Lane, walk
from retention.catalog.recall_tables import RECALL
from retention.catalog.tables import INSTITUTION, PACKAGE, STUDY
from retention.model.errors import NotFoundError
from retention.model.identifiers import PackageId


class RecallProgress(StrEnum):
    """How far a request is. `ready`: the study can be read, until a given time."""

    REQUESTED = "requested"
    READY = "ready"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RecallRecord:
    """One request for a study. `study_uid` is None when nothing is known of the study any more.

    `moving_to`: nobody is to read it; it is moved to that tier from what the slow one gives out, and then it is over.
    """

    recall_id: str
    study_uid: str | None
    institution: str | None
    state: RecallProgress
    urgency: str
    reason: str | None
    asked_by: str | None
    requested_at: datetime
    ready_at: datetime | None
    until_at: datetime | None
    moving_to: str | None = None


_IS_OPEN = RECALL.c.state.in_((RecallProgress.REQUESTED.value, RecallProgress.READY.value))
_RECALLS = (
    select(RECALL, STUDY.c.study_uid, INSTITUTION.c.name.label("institution"))
    .outerjoin(STUDY, STUDY.c.id == RECALL.c.study_row)
    .outerjoin(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
)


class Recalls:
    """What the catalog answers about recalls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> Iterator[RecallRecord]:
        """Stream every request there ever was, oldest first."""
        return walk(self._database, Lane(_RECALLS, (RECALL.c.id,)), lambda _, page: map(_record, page))

    def open(self, study_uid: str | None = None, institution: str | None = None) -> list[RecallRecord]:
        """The requests that are not over (of a study), oldest first."""
        wanted: list[ColumnElement[bool]] = [_IS_OPEN]
        if study_uid is not None:
            wanted += [STUDY.c.study_uid == study_uid, INSTITUTION.c.name == institution]
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(_RECALLS.where(*wanted).order_by(RECALL.c.id))]

    def one(self, recall_id: str) -> RecallRecord:
        """One request. Raises NotFoundError."""
        with self._database.read() as connection:
            row = connection.execute(_RECALLS.where(RECALL.c.recall_id == recall_id)).first()
        if row is None:
            raise NotFoundError(f"there is no recall {recall_id}", hint="retention recall list")
        return _record(row)


class RecallWriting:
    """What may be done to recalls in one step of the committer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def request(self, asked: RecallRecord, package_id: PackageId, sequence: int) -> None:
        """Note a request for the study that a package is of. Raises NotFoundError for an unknown package."""
        known = select(RECALL.c.id).where(RECALL.c.recall_id == asked.recall_id)
        if self._connection.execute(known).first() is not None:
            return
        last = self._connection.execute(select(func.max(RECALL.c.id))).scalar()
        values = {
            "id": int(last or 0) + 1,
            "recall_id": asked.recall_id,
            "study_row": self._study_row(package_id),
            "urgency": asked.urgency,
            "reason": asked.reason,
            "asked_by": asked.asked_by,
            "moving_to": asked.moving_to,
            "sequence": sequence,
            "requested_at": asked.requested_at,
            "state": asked.state.value,
        }
        self._connection.execute(insert(RECALL).values(**values))

    def ready(self, recall_ids: Sequence[str], at: datetime, until_at: datetime) -> None:
        """Note that these can be read until a time; so long their copies stay."""
        for recall_id in recall_ids:
            waiting = RECALL.c.recall_id == recall_id, RECALL.c.state == RecallProgress.REQUESTED.value
            values = {"state": RecallProgress.READY.value, "ready_at": at, "until_at": until_at}
            self._connection.execute(update(RECALL).where(*waiting).values(**values))
            self._keep_copies(recall_id, at, until_at)

    def cancel(self, recall_id: str, at: datetime) -> None:
        """End a request; copies that nobody else waits for or reads may be dropped at once."""
        mine = RECALL.c.recall_id == recall_id, _IS_OPEN
        cancelled = update(RECALL).where(*mine).values(state=RecallProgress.CANCELLED.value)
        if self._connection.execute(cancelled).rowcount and not self._others(recall_id):
            self._keep_copies(recall_id, at, at)

    def end(self, recall_ids: Sequence[str]) -> None:
        """Note that what these were for is done: nobody waits any more."""
        over = update(RECALL).where(RECALL.c.recall_id.in_(recall_ids), _IS_OPEN)
        self._connection.execute(over.values(state=RecallProgress.EXPIRED.value))

    def expire(self, package_id: PackageId, at: datetime) -> None:
        """Note that a copy is gone: what was ready by it until now is over."""
        over = (
            RECALL.c.study_row == self._study_row(package_id),
            RECALL.c.state == RecallProgress.READY.value,
            RECALL.c.until_at <= at,
        )
        self._connection.execute(update(RECALL).where(*over).values(state=RecallProgress.EXPIRED.value))

    def _study_row(self, package_id: PackageId) -> int | None:
        wanted = select(PACKAGE.c.study_row).where(PACKAGE.c.id == package_row(self._connection, package_id))
        row: int | None = self._connection.execute(wanted).scalar()
        return row

    def _others(self, recall_id: str) -> bool:
        study = select(RECALL.c.study_row).where(RECALL.c.recall_id == recall_id).scalar_subquery()
        others = select(RECALL.c.id).where(RECALL.c.study_row == study, _IS_OPEN)
        return self._connection.execute(others).first() is not None

    def _keep_copies(self, recall_id: str, at: datetime, until_at: datetime) -> None:
        """Let copies stay until an instant; one whose time is over at `at` may have lost its key: it goes."""
        study = select(RECALL.c.study_row).where(RECALL.c.recall_id == recall_id).scalar_subquery()
        copies = (
            PACKAGE.c.study_row == study,
            PACKAGE.c.copy_of_row.is_not(None),
            PACKAGE.c.drop_at > at,
        )
        self._connection.execute(update(PACKAGE).where(*copies).values(drop_at=until_at))


def _record(row: AnyRow) -> RecallRecord:
    return RecallRecord(
        recall_id=row.recall_id,
        study_uid=row.study_uid,
        institution=row.institution,
        state=RecallProgress(row.state),
        urgency=row.urgency,
        reason=row.reason,
        asked_by=row.asked_by,
        requested_at=row.requested_at,
        ready_at=row.ready_at,
        until_at=row.until_at,
        moving_to=row.moving_to,
    )
