"""Recording facts: the path from the journal, at a commit and at a rebuild alike.

The invariants: applying an entry twice changes nothing; what is pending changes nothing until it is approved; and when
a patient's key is destroyed, everything that was recorded under it goes from here too, as a rebuild would leave it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select, update

from retention.catalog import patients
from retention.catalog.columns import AnyRow
from retention.catalog.fact_records import (
    Attributed,
    AttributionStatement,
    FactState,
    FactStatement,
    Recorded,
)
from retention.catalog.fact_tables import ATTRIBUTION, FACT, MESSAGE, PATIENT
from retention.catalog.places import PlaceRows
from retention.catalog.staleness import mark_patients_stale
from retention.catalog.tables import STUDY
from retention.model.identifiers import InstitutionId, KeyId
from retention.model.patient import PatientIdentity

KEYS = 500


class FactWriter:
    """What may be written about patients in one step of the committer; made by `Transaction.facts`.

    Whatever changes what decisions rest upon marks the studies of everybody concerned as stale.
    """

    def __init__(self, connection: Connection, places: PlaceRows) -> None:
        self._connection = connection
        self._places = places

    def set_key(self, patient: PatientIdentity, key_id: KeyId, segment: int | None) -> int:
        """Note the key that everything recorded about a patient is under; return the patient's row."""
        row = self._patient(patient)
        changed = {"key_id": key_id, "key_segment": segment}
        self._connection.execute(update(PATIENT).where(PATIENT.c.id == row).values(changed))
        return row

    def record(
        self, patient: PatientIdentity, statements: Sequence[FactStatement], recorded: Recorded
    ) -> None:
        """Record what is said about a patient; what is not pending supersedes at once."""
        row = self._patient(patient)
        known = self._known(FACT, [statement.record_id for statement in statements])
        first = self._last(FACT) + 1
        fresh = [statement for statement in statements if statement.record_id not in known]
        for number, statement in enumerate(fresh, first):
            self._connection.execute(insert(FACT).values(id=number, **_fact(row, statement, recorded)))
            if not statement.needs_approval:
                self._supersede(statement.supersedes)
        mark_patients_stale(self._connection, self._roots([row]))

    def attribute(self, statement: AttributionStatement, recorded: Recorded) -> None:
        """Record whose a study is, or that patients are the same or not; what is not pending counts at once.

        A study that is not known (it was destroyed since) is left alone.
        """
        if self._known(ATTRIBUTION, [statement.record_id]):
            return
        study_row = self._study(statement)
        if statement.what is Attributed.STUDY and study_row is None:
            return
        values = {
            "record_id": statement.record_id,
            "batch_id": recorded.batch_id,
            "what": statement.what.value,
            "study_row": study_row,
            "patient_row": self._patient(statement.patient),
            "into_row": None if statement.into is None else self._patient(statement.into),
            "source": statement.source,
            "state": (FactState.PENDING if statement.needs_approval else FactState.STANDING).value,
            "needs_approval": statement.needs_approval,
            **_recorded(recorded),
        }
        number = self._last(ATTRIBUTION) + 1
        self._connection.execute(insert(ATTRIBUTION).values(id=number, **values))
        if not statement.needs_approval:
            row = self._connection.execute(select(ATTRIBUTION).where(ATTRIBUTION.c.id == number)).one()
            self._let_count(row)

    def settle(self, batch_id: str, *, approved: bool, by: str, at: datetime) -> None:
        """Let what is pending of a batch count, or reject it, in the order in which it was recorded."""
        state = FactState.STANDING if approved else FactState.REJECTED
        decided = {"state": state.value, "decided_by": by, "decided_at": at}
        for table in (FACT, ATTRIBUTION):
            waiting = (table.c.batch_id == batch_id, table.c.state == FactState.PENDING.value)
            rows = self._connection.execute(select(table).where(*waiting).order_by(table.c.id)).all()
            self._connection.execute(update(table).where(*waiting).values(decided))
            for row in rows if approved else ():
                if table is FACT:
                    self._supersede(row.supersedes)
                    mark_patients_stale(self._connection, self._roots([row.patient_row]))
                else:
                    self._let_count(row)

    def remember(self, institution: InstitutionId, messages: Iterable[bytes], sequence: int) -> None:
        """Note that these messages (keyed digests) were read."""
        owner = self._places.institution(institution)
        for digest in messages:
            known = (MESSAGE.c.institution_row == owner, MESSAGE.c.digest == digest)
            if self._connection.execute(select(MESSAGE.c.sequence).where(*known)).first() is None:
                values = {"institution_row": owner, "digest": digest, "sequence": sequence}
                self._connection.execute(insert(MESSAGE).values(values))

    def forget(self, key_ids: Sequence[KeyId]) -> int:
        """Drop all that was recorded about the patients of these keys, which were destroyed; return how many patients.

        A patient that still has a study stays, without its facts.
        """
        gone = select(PATIENT.c.id).where(PATIENT.c.key_id.in_(key_ids))
        rows = list(self._connection.execute(gone).scalars())
        roots = self._roots(rows)
        self._drop_recorded(rows)
        for start in range(0, len(rows), KEYS):
            forgotten = {"key_id": None, "key_segment": None}
            chunk = rows[start : start + KEYS]
            self._connection.execute(update(PATIENT).where(PATIENT.c.id.in_(chunk)).values(forgotten))
        self.leave(roots)
        return len(rows)

    def leave(self, roots: Iterable[int]) -> None:
        """Drop those of these patients who have no study any more, under every name, with all that was recorded."""
        for root in roots:
            theirs = select(STUDY.c.id).where(STUDY.c.patient_row == root)
            if self._connection.execute(theirs).first() is None:
                self._drop_recorded(patients.family(self._connection, root))
                self._connection.execute(delete(PATIENT).where(PATIENT.c.root_row == root))

    def _drop_recorded(self, rows: Sequence[int]) -> None:
        for start in range(0, len(rows), KEYS):
            chunk = rows[start : start + KEYS]
            self._connection.execute(delete(FACT).where(FACT.c.patient_row.in_(chunk)))
            self._connection.execute(delete(ATTRIBUTION).where(ATTRIBUTION.c.patient_row.in_(chunk)))
            self._connection.execute(delete(ATTRIBUTION).where(ATTRIBUTION.c.into_row.in_(chunk)))

    def _let_count(self, row: AnyRow) -> None:
        """Let an attribution count: studies and patients are told apart by it from now on."""
        before = self._roots([row.patient_row, *([row.into_row] if row.into_row is not None else [])])
        if row.what == Attributed.STUDY.value:
            study = select(STUDY.c.patient_row).where(STUDY.c.id == row.study_row)
            left = self._connection.execute(study).scalar()
            before += [] if left is None else [left]
            patients.attribute(self._connection, row.study_row, row.patient_row)
            self._replace(row, ATTRIBUTION.c.study_row == row.study_row, Attributed.STUDY)
        elif row.what == Attributed.MERGE.value:
            patients.merge(self._connection, row.patient_row, row.into_row)
        else:
            patients.split(self._connection, row.patient_row)
            self._replace(
                row, ATTRIBUTION.c.patient_row == row.patient_row, Attributed.MERGE, Attributed.SPLIT
            )
        mark_patients_stale(self._connection, sorted({*before, *self._roots([row.patient_row])}))

    def _replace(self, row: AnyRow, where: ColumnElement[bool], *kinds: Attributed) -> None:
        """Let an attribution supersede the standing ones that said otherwise."""
        standing = (
            where,
            ATTRIBUTION.c.id != row.id,
            ATTRIBUTION.c.state == FactState.STANDING.value,
            ATTRIBUTION.c.what.in_([kind.value for kind in kinds]),
        )
        superseded = {"state": FactState.SUPERSEDED.value}
        self._connection.execute(update(ATTRIBUTION).where(*standing).values(superseded))

    def _supersede(self, record_ids: Sequence[str]) -> None:
        if record_ids:
            standing = (FACT.c.record_id.in_(record_ids), FACT.c.state == FactState.STANDING.value)
            self._connection.execute(update(FACT).where(*standing).values(state=FactState.SUPERSEDED.value))

    def _roots(self, rows: Sequence[int]) -> list[int]:
        roots = select(PATIENT.c.root_row).where(PATIENT.c.id.in_(rows))
        return sorted(set(self._connection.execute(roots).scalars()))

    def _patient(self, patient: PatientIdentity) -> int:
        name = (self._places.institution(patient.institution_id), patient.patient_id, patient.issuer)
        return patients.ensure_patients(self._connection, [name])[name].row

    def _study(self, statement: AttributionStatement) -> int | None:
        if statement.study_uid is None:
            return None
        owner = self._places.institution(statement.patient.institution_id)
        named = (STUDY.c.study_uid == statement.study_uid, STUDY.c.institution_row == owner)
        return self._connection.execute(select(STUDY.c.id).where(*named)).scalar()

    def _known(self, table: Table, record_ids: Sequence[str]) -> set[str]:
        known = select(table.c.record_id).where(table.c.record_id.in_(record_ids))
        return set(self._connection.execute(known).scalars())

    def _last(self, table: Table) -> int:
        return int(self._connection.execute(select(func.max(table.c.id))).scalar() or 0)


def _fact(patient_row: int, statement: FactStatement, recorded: Recorded) -> Mapping[str, Any]:
    return {
        "record_id": statement.record_id,
        "batch_id": recorded.batch_id,
        "patient_row": patient_row,
        "kind": statement.kind,
        "from_on": statement.from_on,
        "to_on": statement.to_on,
        "source": statement.source,
        "assurance": statement.assurance,
        "withdraws": statement.withdraws,
        "supersedes": list(statement.supersedes),
        "state": (FactState.PENDING if statement.needs_approval else FactState.STANDING).value,
        "needs_approval": statement.needs_approval,
        **_recorded(recorded),
    }


def _recorded(recorded: Recorded) -> Mapping[str, Any]:
    return {
        "recorded_by": recorded.by,
        "recorded_at": recorded.at,
        "sequence": recorded.sequence,
        "decided_by": None,
        "decided_at": None,
    }
