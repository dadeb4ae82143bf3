"""What is hidden from ordinary reading: asking for it, and noting it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, insert, select

from retention.catalog.database import Database
from retention.catalog.hidden_tables import HIDDEN
from retention.catalog.places import PlaceRows
from retention.catalog.tables import INSTITUTION
from retention.model.identifiers import InstitutionId


class Hidden:
    """Asks which instances are hidden."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_study(self, institution: InstitutionId, study: bytes) -> frozenset[bytes]:
        """Return the digests of a study's hidden instances; `study` is the study's own digest."""
        wanted = (
            select(HIDDEN.c.digest)
            .join(INSTITUTION, INSTITUTION.c.id == HIDDEN.c.institution_row)
            .where(INSTITUTION.c.institution_id == institution, HIDDEN.c.study == study)
        )
        with self._database.read() as connection:
            return frozenset(bytes(row[0]) for row in connection.execute(wanted))

    def count(self) -> int:
        """Return how many instances are hidden in all."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(HIDDEN)).scalar_one())


def store_hidden(
    connection: Connection,
    rows: PlaceRows,
    institution: InstitutionId,
    study: bytes,
    digests: Iterable[bytes],
    note: tuple[str, int],
) -> None:
    """Note instances as hidden, by the code and the journal entry of `note`; what is hidden already stays as it is."""
    owner = rows.institution(institution)
    known = select(HIDDEN.c.digest).where(HIDDEN.c.institution_row == owner, HIDDEN.c.study == study)
    held = {bytes(row[0]) for row in connection.execute(known)}
    code, sequence = note
    fresh = [
        {"institution_row": owner, "study": study, "digest": digest, "code": code, "sequence": sequence}
        for digest in dict.fromkeys(digests)
        if digest not in held
    ]
    if fresh:
        connection.execute(insert(HIDDEN), fresh)
