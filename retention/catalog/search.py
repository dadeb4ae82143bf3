"""Finding studies by what a query knows of them, within one institution.

The most selective key chooses the index that is walked; what else is asked for is compared with each row. So a search
by UID, patient, accession number or date costs what it finds, however much is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from retention.catalog.columns import AnyRow
from retention.catalog.database import Database
from retention.catalog.paging import Lane, walk
from retention.catalog.tables import INSTITUTION, PACKAGE, SERIES, STUDY
from retention.model.facts import PatientFacts, StudyFacts
from retention.model.identifiers import InstitutionId
from retention.model.matching import Match


@dataclass(frozen=True, slots=True)
class PlacedPackage:
    """On which tier a package in force lies; `copy_of` names the row it is a recalled copy of."""

    row: int
    tier: str
    copy_of: int | None


@dataclass(frozen=True, slots=True)
class StudyHit:
    """A study that was found."""

    institution_id: InstitutionId
    study_uid: str
    patient: PatientFacts
    facts: StudyFacts
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...]
    series: int
    instances: int
    packages: tuple[PlacedPackage, ...]


class Search:
    """Searches a catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def studies(
        self,
        institution: InstitutionId,
        matches: Mapping[str, Match],
        accept: Callable[[StudyHit], bool],
    ) -> Iterator[StudyHit]:
        """Yield the studies that `accept` lets through, in the order of the index that was chosen.

        Of `matches`, by name of a StudyHit's field (`study_uid`, `patient_id`, `accession_number`, `study_date`), one
        narrows the search.
        """
        with self._database.read() as connection:
            wanted = select(INSTITUTION.c.id).where(INSTITUTION.c.institution_id == institution)
            owner = connection.execute(wanted).scalar()
        if owner is None:
            return

        def read(connection: Connection, keys: Sequence[AnyRow]) -> list[StudyHit]:
            return list(filter(accept, _hits(connection, institution, [key[-1] for key in keys])))

        yield from walk(self._database, _lane(int(owner), matches), read)


def _lane(owner: int, matches: Mapping[str, Match]) -> Lane:
    studies = select(STUDY.c.id).where(STUDY.c.institution_row == owner)
    for name, column in (
        ("study_uid", STUDY.c.study_uid),
        ("patient_id", STUDY.c.patient_id),
        ("accession_number", STUDY.c.accession_number),
    ):
        match = matches.get(name)
        if match is not None and match.exact:
            return Lane(studies.where(column.in_(match.exact)), (STUDY.c.id,))
    date = matches.get("study_date")
    if date is not None and date.span is not None:
        first, last = date.span
        dated = select(STUDY.c.study_date, STUDY.c.id).where(STUDY.c.institution_row == owner)
        dated = dated.where(STUDY.c.study_date >= first)
        if last:
            dated = dated.where(STUDY.c.study_date < last + "~")
        return Lane(dated, (STUDY.c.study_date, STUDY.c.id))
    return Lane(studies, (STUDY.c.id,))


def _hits(connection: Connection, institution: InstitutionId, rows: Sequence[int]) -> Iterator[StudyHit]:
    if not rows:
        return
    packages: dict[int, list[PlacedPackage]] = {}
    placed = select(PACKAGE.c.study_row, PACKAGE.c.id, PACKAGE.c.tier, PACKAGE.c.copy_of_row).where(
        PACKAGE.c.study_row.in_(rows), PACKAGE.c.superseded_row.is_(None)
    )
    for study, row, tier, copy_of in connection.execute(placed):
        packages.setdefault(study, []).append(PlacedPackage(row, tier, copy_of))
    counted = select(SERIES.c.study_row, func.count()).where(SERIES.c.study_row.in_(rows))
    series = {row[0]: int(row[1]) for row in connection.execute(counted.group_by(SERIES.c.study_row))}
    found = {study.id: study for study in connection.execute(select(STUDY).where(STUDY.c.id.in_(rows)))}
    for row in rows:
        if row in found and row in packages:
            yield _hit(institution, found[row], series.get(row, 0), tuple(packages[row]))


def _hit(
    institution: InstitutionId, row: AnyRow, series: int, packages: tuple[PlacedPackage, ...]
) -> StudyHit:
    return StudyHit(
        institution,
        row.study_uid,
        PatientFacts(row.patient_id, row.issuer, row.patient_name, row.birth_date, row.sex),
        StudyFacts(
            row.study_date,
            row.study_time,
            row.description,
            row.accession_number,
            row.institution_name,
            row.department,
            row.study_id,
            row.referring_physician,
        ),
        tuple(filter(None, row.modalities.split(","))),
        tuple(filter(None, row.sop_classes.split(","))),
        series,
        row.instances,
        packages,
    )
