"""Disposals in the catalog: proposals, and the one way in which anything held leaves it.

The invariant: a study, its packages and its instances are deleted only in the step that writes their tombstone; the
guards of the database refuse it otherwise. Doing a step twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from retention.catalog.columns import storable
from retention.catalog.database import Database
from retention.catalog.disposal_records import (
    BuriedKey,
    BuriedPackage,
    CertificateRecord,
    Doomed,
    DoomedPatient,
    ProposalRecord,
    ProposedStudy,
    TombstoneRecord,
)
from retention.catalog.disposal_tables import BURIED, CERTIFICATE, PROPOSAL, TOMBSTONE
from retention.catalog.fact_tables import ATTRIBUTION, PATIENT
from retention.catalog.holds import released_holds_on
from retention.catalog.patients import find_patients
from retention.catalog.places import PlaceRows
from retention.catalog.recall_tables import RECALL
from retention.catalog.tables import INSTANCE, INSTITUTION, PACKAGE, SERIES, SHARD, STUDY, VOLUME, WORK
from retention.model.errors import NotFoundError
from retention.model.identifiers import InstitutionId, PackageId

CHUNK = 500


_PROPOSAL = select(PROPOSAL, INSTITUTION.c.institution_id).join(
    INSTITUTION, INSTITUTION.c.id == PROPOSAL.c.institution_row
)
_TOMBSTONE = (
    select(TOMBSTONE, INSTITUTION.c.institution_id, PROPOSAL.c.proposal_id)
    .join(INSTITUTION, INSTITUTION.c.id == TOMBSTONE.c.institution_row)
    .join(PROPOSAL, PROPOSAL.c.id == TOMBSTONE.c.proposal_row)
    .order_by(TOMBSTONE.c.id)
)


class Disposals:
    """What the catalog answers about disposals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[ProposalRecord]:
        """Every proposal there ever was, oldest first."""
        return self._proposals(_PROPOSAL.order_by(PROPOSAL.c.id))

    def get(self, proposal_id: str) -> ProposalRecord | None:
        return next(iter(self._proposals(_PROPOSAL.where(PROPOSAL.c.proposal_id == proposal_id))), None)

    def tombstones(self, proposal_id: str) -> list[TombstoneRecord]:
        """What was destroyed by a proposal, in order, with what remains of it."""
        with self._database.read() as connection:
            return _tombstones(connection, _TOMBSTONE.where(PROPOSAL.c.proposal_id == proposal_id))

    def of_study(self, study: str) -> list[TombstoneRecord]:
        """The tombstones of a study, by its keyed digest."""
        with self._database.read() as connection:
            return _tombstones(connection, _TOMBSTONE.where(TOMBSTONE.c.study == study))

    def is_buried(self, package_id: PackageId) -> bool:
        """Whether a package belonged to a study that was destroyed."""
        with self._database.read() as connection:
            wanted = select(BURIED.c.id).where(BURIED.c.package_id == package_id)
            return connection.execute(wanted).first() is not None

    def executed(self, institution_id: InstitutionId) -> list[tuple[date, int]]:
        """How many studies of an institution were destroyed on which day."""
        wanted = (
            select(TOMBSTONE.c.disposed_on, func.count())
            .join(INSTITUTION, INSTITUTION.c.id == TOMBSTONE.c.institution_row)
            .where(INSTITUTION.c.institution_id == institution_id)
            .group_by(TOMBSTONE.c.disposed_on)
        )
        with self._database.read() as connection:
            return [(on, count) for on, count in connection.execute(wanted)]

    def studies_held(self, institution_id: InstitutionId) -> int:
        wanted = (
            select(func.count())
            .select_from(STUDY)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(INSTITUTION.c.institution_id == institution_id)
        )
        with self._database.read() as connection:
            return int(connection.execute(wanted).scalar() or 0)

    def study_page(self, institution_id: InstitutionId, after: int, limit: int) -> list[tuple[int, str]]:
        """The next studies of an institution behind a row: row and Study Instance UID."""
        wanted = (
            select(STUDY.c.id, STUDY.c.study_uid)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(INSTITUTION.c.institution_id == institution_id, STUDY.c.id > after)
            .order_by(STUDY.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [(row, uid) for row, uid in connection.execute(wanted)]

    def study_row(self, institution_id: InstitutionId, study_uid: str) -> int:
        """The row of a study. Raises NotFoundError when it is not held."""
        wanted = (
            select(STUDY.c.id)
            .join(INSTITUTION, INSTITUTION.c.id == STUDY.c.institution_row)
            .where(INSTITUTION.c.institution_id == institution_id, STUDY.c.study_uid == study_uid)
        )
        with self._database.read() as connection:
            row: int | None = connection.execute(wanted).scalar()
        if row is None:
            raise NotFoundError(f"no study {study_uid} is held", study=study_uid)
        return row

    def doomed(self, study_row: int) -> Doomed:
        """All that a study has."""
        with self._database.read() as connection:
            return _doomed(connection, study_row)

    def certificate(self, proposal_id: str) -> CertificateRecord | None:
        """The certificate of a proposal, None before it was executed."""
        wanted = (
            select(CERTIFICATE, PROPOSAL.c.proposal_id)
            .join(PROPOSAL, PROPOSAL.c.id == CERTIFICATE.c.proposal_row)
            .where(PROPOSAL.c.proposal_id == proposal_id)
        )
        with self._database.read() as connection:
            row = connection.execute(wanted).first()
        if row is None:
            return None
        return CertificateRecord(row.number, row.proposal_id, row.issued_at, row.document, row.sequence)

    def certificates(self) -> int:
        """How many certificates there are."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(CERTIFICATE)).scalar() or 0)

    def _proposals(self, wanted: Select[Any]) -> list[ProposalRecord]:
        with self._database.read() as connection:
            return [
                ProposalRecord(
                    row.proposal_id,
                    row.institution_id,
                    row.for_on,
                    row.made_at,
                    row.digest,
                    row.counts,
                    tuple(_proposed(study) for study in row.studies),
                    row.terms,
                    row.sequence,
                    row.state,
                )
                for row in connection.execute(wanted)
            ]


class DisposalWriting:
    """What one step of the committer may do about disposals."""

    def __init__(self, connection: Connection, places: PlaceRows) -> None:
        self._connection = connection
        self._places = places

    def propose(self, record: ProposalRecord) -> None:
        """Note a proposal; one that is known changes nothing."""
        if self._proposal_row(record.proposal_id) is not None:
            return
        self._connection.execute(
            insert(PROPOSAL).values(
                id=_next_row(self._connection, PROPOSAL.c.id),
                proposal_id=record.proposal_id,
                institution_row=self._places.institution(record.institution_id),
                for_on=record.for_on,
                made_at=record.made_at,
                digest=record.digest,
                counts=dict(record.counts),
                studies=[_encoded(study) for study in record.studies],
                terms=dict(record.terms),
                state="proposed",
                sequence=record.sequence,
            )
        )

    def bury(self, tombstone: TombstoneRecord) -> list[int]:
        """Write a tombstone, and take the study and everything it has out of the holdings; return its patients.

        Raises ValueError for a proposal that is not known.
        """
        known = select(TOMBSTONE.c.id).where(TOMBSTONE.c.sequence == tombstone.sequence)
        if self._connection.execute(known).first() is not None:
            return []
        proposal = self._known_proposal_row(tombstone.proposal_id)
        names = [package.package_id for package in tombstone.packages]
        rows = dict(
            self._connection.execute(
                select(PACKAGE.c.id, PACKAGE.c.study_row).where(PACKAGE.c.package_id.in_(names))
            ).all()
        )
        study_row = next((row for row in rows.values() if row is not None), None)
        tombstone_row = _next_row(self._connection, TOMBSTONE.c.id)
        self._connection.execute(
            insert(TOMBSTONE).values(
                id=tombstone_row,
                sequence=tombstone.sequence,
                institution_row=self._places.institution(tombstone.institution_id),
                proposal_row=proposal,
                study_row=study_row,
                study=tombstone.study,
                disposed_at=tombstone.disposed_at,
                disposed_on=tombstone.disposed_on,
                rule=tombstone.rule,
                keep_until_on=tombstone.keep_until_on,
                decision=dict(tombstone.decision),
                patient_keys=[[key.key_id, key.segment] for key in tombstone.patient_keys],
                instances=tombstone.instances,
                bytes_received=tombstone.bytes_received,
            )
        )
        first = _next_row(self._connection, BURIED.c.id)
        for number, package in enumerate(tombstone.packages, first):
            self._connection.execute(
                insert(BURIED).values(
                    id=number,
                    package_id=package.package_id,
                    tombstone_row=tombstone_row,
                    key_id=package.key_id,
                    key_segment=package.key_segment,
                    remains=[list(place) for place in package.remains],
                )
            )
        self._connection.execute(update(PROPOSAL).where(PROPOSAL.c.id == proposal).values(state="executing"))
        roots = [] if study_row is None else _patients_of(self._connection, study_row)
        self._delete(list(rows), study_row)
        return roots

    def note_removed(self, remains: Mapping[PackageId, Sequence[tuple[str, str]]]) -> None:
        """Note what still lies on volumes of packages whose study was destroyed."""
        for package_id, places in remains.items():
            self._connection.execute(
                update(BURIED)
                .where(BURIED.c.package_id == package_id)
                .values(remains=[list(place) for place in places])
            )

    def certify(self, record: CertificateRecord) -> None:
        """Note a certificate; its proposal is executed with it. Raises ValueError for an unknown proposal."""
        proposal = self._known_proposal_row(record.proposal_id)
        known = select(CERTIFICATE.c.id).where(CERTIFICATE.c.number == record.number)
        if self._connection.execute(known).first() is not None:
            return
        self._connection.execute(
            insert(CERTIFICATE).values(
                id=_next_row(self._connection, CERTIFICATE.c.id),
                number=record.number,
                proposal_row=proposal,
                sequence=record.sequence,
                issued_at=record.issued_at,
                document=record.document,
            )
        )
        self._connection.execute(update(PROPOSAL).where(PROPOSAL.c.id == proposal).values(state="executed"))

    def _delete(self, packages: Sequence[int], study_row: int | None) -> None:
        self._connection.execute(
            update(WORK).where(WORK.c.package_row.in_(packages)).values(package_row=None)
        )
        for table in (INSTANCE, SHARD):
            self._connection.execute(delete(table).where(table.c.package_row.in_(packages)))
        self._connection.execute(delete(PACKAGE).where(PACKAGE.c.id.in_(packages)))
        if study_row is not None:
            self._connection.execute(
                update(RECALL).where(RECALL.c.study_row == study_row).values(study_row=None)
            )
            self._connection.execute(delete(ATTRIBUTION).where(ATTRIBUTION.c.study_row == study_row))
            self._connection.execute(delete(SERIES).where(SERIES.c.study_row == study_row))
            self._connection.execute(delete(STUDY).where(STUDY.c.id == study_row))

    def _proposal_row(self, proposal_id: str) -> int | None:
        row: int | None = self._connection.execute(
            select(PROPOSAL.c.id).where(PROPOSAL.c.proposal_id == proposal_id)
        ).scalar()
        return row

    def _known_proposal_row(self, proposal_id: str) -> int:
        row = self._proposal_row(proposal_id)
        if row is None:
            raise ValueError(f"proposal {proposal_id} is not known")
        return row


def _next_row(connection: Connection, column: ColumnElement[int]) -> int:
    return int(connection.execute(select(func.max(column))).scalar() or 0) + 1


def _tombstones(connection: Connection, wanted: Select[Any]) -> list[TombstoneRecord]:
    rows = connection.execute(wanted).all()
    buried: dict[int, list[BuriedPackage]] = {}
    for start in range(0, len(rows), CHUNK):
        of_these = BURIED.c.tombstone_row.in_([row.id for row in rows[start : start + CHUNK]])
        for row in connection.execute(select(BURIED).where(of_these).order_by(BURIED.c.id)):
            places = tuple((volume, key) for volume, key in row.remains)
            package = BuriedPackage(row.package_id, row.key_id, row.key_segment, places)
            buried.setdefault(row.tombstone_row, []).append(package)
    return [
        TombstoneRecord(
            row.study,
            row.institution_id,
            row.proposal_id,
            row.disposed_at,
            row.disposed_on,
            row.rule,
            row.keep_until_on,
            row.instances,
            row.bytes_received,
            row.sequence,
            tuple(buried.get(row.id, ())),
            row.decision,
            tuple(BuriedKey(key_id, segment) for key_id, segment in row.patient_keys),
        )
        for row in rows
    ]


def _doomed(connection: Connection, study_row: int) -> Doomed:
    packages = connection.execute(
        select(PACKAGE).where(PACKAGE.c.study_row == study_row).order_by(PACKAGE.c.id)
    ).all()
    study = connection.execute(select(STUDY).where(STUDY.c.id == study_row)).one()
    shards = connection.execute(
        select(PACKAGE.c.package_id, SHARD.c.number, SHARD.c.generation, VOLUME.c.name)
        .join(PACKAGE, PACKAGE.c.id == SHARD.c.package_row)
        .join(VOLUME, VOLUME.c.id == SHARD.c.volume_row)
        .where(PACKAGE.c.study_row == study_row)
        .order_by(PACKAGE.c.id, SHARD.c.number)
    ).all()
    return Doomed(
        study_row,
        study.instances,
        study.bytes_received,
        tuple(BuriedPackage(row.package_id, row.key_id, row.key_segment, ()) for row in packages),
        tuple((package, number, generation, volume) for package, number, generation, volume in shards),
        tuple(_patient(connection, root) for root in _patients_of(connection, study_row)),
        released_holds_on(connection, study_row),
    )


def _patients_of(connection: Connection, study_row: int) -> list[int]:
    """Return whose a study is: the one it belongs to, and the one its header names where a fact says otherwise."""
    study = connection.execute(select(STUDY).where(STUDY.c.id == study_row)).one()
    roots = set() if study.patient_row is None else {study.patient_row}
    if study.patient_id is not None:
        named = (study.institution_row, storable(study.patient_id), storable(study.issuer or ""))
        roots |= {place.root for place in find_patients(connection, [named]).values()}
    return sorted(roots)


def _patient(connection: Connection, root: int) -> DoomedPatient:
    studies = select(func.count()).select_from(STUDY).where(STUDY.c.patient_row == root)
    keys = select(PATIENT.c.key_id, PATIENT.c.key_segment).where(
        PATIENT.c.root_row == root, PATIENT.c.key_id.is_not(None)
    )
    return DoomedPatient(
        root,
        int(connection.execute(studies).scalar_one()),
        tuple(
            BuriedKey(key_id, segment)
            for key_id, segment in connection.execute(keys.order_by(PATIENT.c.key_id))
        ),
    )


def _encoded(study: ProposedStudy) -> list[str | None]:
    until = None if study.keep_until_on is None else study.keep_until_on.isoformat()
    return [study.study, study.outcome, study.why, until, study.winner]


def _proposed(row: Sequence[Any]) -> ProposedStudy:
    study, outcome, why, until, winner = row
    return ProposedStudy(study, outcome, why, None if until is None else date.fromisoformat(until), winner)
