"""Requests for approval and the signatures under them: reading them, and what one step of the committer may do.

The invariant: doing the same twice changes nothing. Whether signatures are enough is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from retention.catalog.approval_tables import GIVEN, PENDING, REQUEST
from retention.catalog.columns import AnyRow, storable
from retention.catalog.database import Database
from retention.catalog.places import PlaceRows, next_row
from retention.catalog.tables import INSTITUTION
from retention.model.identifiers import InstitutionId


class RequestState(StrEnum):
    """What has become of a request. One whose signatures lapsed is pending: they have to be given again."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ApproverRecord:
    """Who is to sign: a role or named approver, or (`is_external`) somebody outside whose decision is recorded."""

    name: str
    is_external: bool = False


@dataclass(frozen=True, slots=True)
class GivenRecord:
    """A signature that was given: as which approver, by whom (person id), how it was proven, and when.

    `visa` is an external decision: its `number`, `date` and `document` digest.
    """

    approver: str
    person: str
    method: str
    given_at: datetime
    sequence: int
    visa: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request and what has become of it. `body` is what its kind's handler needs; people are person ids."""

    request_id: str
    kind: str
    institution_id: InstitutionId | None
    subject: str
    digest: str
    approvers: tuple[ApproverRecord, ...]
    asked_by: str | None
    excluded: tuple[str, ...]
    asked_at: datetime
    summary: str
    body: Mapping[str, Any]
    sequence: int
    state: RequestState = RequestState.PENDING
    reason: str | None = None
    closed_at: datetime | None = None
    given: tuple[GivenRecord, ...] = ()


_REQUEST = select(REQUEST, INSTITUTION.c.institution_id).join(
    INSTITUTION, INSTITUTION.c.id == REQUEST.c.institution_row, isouter=True
)


class Approvals:
    """What the catalog answers about requests for approval."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self) -> list[RequestRecord]:
        """The requests nobody has closed, oldest first."""
        return self._read(_REQUEST.where(PENDING).order_by(REQUEST.c.id))

    def all(self) -> list[RequestRecord]:
        """Every request there ever was, oldest first."""
        return self._read(_REQUEST.order_by(REQUEST.c.id))

    def get(self, request_id: str) -> RequestRecord | None:
        return next(iter(self._read(_REQUEST.where(REQUEST.c.request_id == request_id))), None)

    def beginning(self, request_id: str) -> list[RequestRecord]:
        """The requests whose ids begin so."""
        return self._read(_REQUEST.where(REQUEST.c.request_id.startswith(request_id, autoescape=True)))

    def about(self, kind: str, subject: str) -> list[RequestRecord]:
        """The requests of a kind about one subject, oldest first."""
        return self._read(
            _REQUEST.where(REQUEST.c.kind == kind, REQUEST.c.subject == subject).order_by(REQUEST.c.id)
        )

    def _read(self, wanted: Select[Any]) -> list[RequestRecord]:
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
            return _records(connection, rows)


class ApprovalWriting:
    """What one step of the committer may do to requests for approval."""

    def __init__(self, connection: Connection, places: PlaceRows) -> None:
        self._connection = connection
        self._places = places

    def file(self, record: RequestRecord) -> None:
        """Note a request; one that is known changes nothing."""
        if self._row(record.request_id) is not None:
            return
        owner = None if record.institution_id is None else self._places.institution(record.institution_id)
        self._connection.execute(
            insert(REQUEST).values(
                id=next_row(self._connection, REQUEST.c.id),
                request_id=record.request_id,
                kind=record.kind,
                institution_row=owner,
                subject=record.subject,
                digest=record.digest,
                approvers=[[each.name, each.is_external] for each in record.approvers],
                asked_by=record.asked_by,
                excluded=list(record.excluded),
                asked_at=record.asked_at,
                summary=storable(record.summary),
                body=dict(record.body),
                state=RequestState.PENDING.value,
                sequence=record.sequence,
            )
        )

    def give(self, request_id: str, given: GivenRecord) -> None:
        """Note a signature. Raises ValueError for a request that is not known."""
        row = self._known_row(request_id)
        known = select(func.count()).select_from(GIVEN).where(GIVEN.c.sequence == given.sequence)
        if self._connection.execute(known).scalar():
            return
        self._connection.execute(
            insert(GIVEN).values(
                id=next_row(self._connection, GIVEN.c.id),
                request_row=row,
                sequence=given.sequence,
                approver=given.approver,
                visa=None if given.visa is None else dict(given.visa),
                person=given.person,
                method=given.method,
                given_at=given.given_at,
            )
        )

    def close(self, request_id: str, state: RequestState, at: datetime, reason: str | None = None) -> None:
        """Note what has become of a request. Raises ValueError for one that is not known."""
        row = self._known_row(request_id)
        values = {
            "state": state.value,
            "closed_at": at,
            "reason": None if reason is None else storable(reason),
        }
        self._connection.execute(update(REQUEST).where(REQUEST.c.id == row).values(values))

    def _known_row(self, request_id: str) -> int:
        row = self._row(request_id)
        if row is None:
            raise ValueError(f"request {request_id} is not known")
        return row

    def _row(self, request_id: str) -> int | None:
        row: int | None = self._connection.execute(
            select(REQUEST.c.id).where(REQUEST.c.request_id == request_id)
        ).scalar()
        return row


def _records(connection: Connection, rows: Sequence[AnyRow]) -> list[RequestRecord]:
    given: dict[int, list[GivenRecord]] = {}
    wanted = select(GIVEN).where(GIVEN.c.request_row.in_([row.id for row in rows])).order_by(GIVEN.c.id)
    for row in connection.execute(wanted):
        given.setdefault(row.request_row, []).append(
            GivenRecord(row.approver, row.person, row.method, row.given_at, row.sequence, row.visa)
        )
    return [
        RequestRecord(
            row.request_id,
            row.kind,
            row.institution_id,
            row.subject,
            row.digest,
            tuple(ApproverRecord(name, is_external) for name, is_external in row.approvers),
            row.asked_by,
            tuple(row.excluded),
            row.asked_at,
            row.summary,
            row.body,
            row.sequence,
            RequestState(row.state),
            row.reason,
            row.closed_at,
            tuple(given.get(row.id, [])),
        )
        for row in rows
    ]
