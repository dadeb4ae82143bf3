"""Facts: recorded once, superseded and never erased; patients that are the same answer as one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.fact_records import (
    Attributed,
    AttributionStatement,
    FactState,
    FactStatement,
    PatientRecord,
    Recorded,
)
from retention.catalog.records import PackageRecord, StudyFilter
from retention.model.errors import NotFoundError, WriteOnceError
from retention.model.facts import PatientFacts
from retention.model.identifiers import KeyId
from retention.model.patient import PatientIdentity
from tests.catalog.making import AT, DAY, NECKER, keep, package, package_id, study, study_uid

ALICE, BOB = PatientIdentity(NECKER, "A", "APHP"), PatientIdentity(NECKER, "B")
KEY = KeyId("5" * 32)


def of(number: int, patient: PatientIdentity) -> PackageRecord:
    header = PatientFacts(patient.patient_id, patient.issuer or None)
    return package(number, study=replace(study(number), patient=header))


def said(number: int, kind: str = "last_visit", **changes: Any) -> FactStatement:
    statement = FactStatement(f"{number:032x}", kind, date(2020, 1, number), None, "HIS", "verified")
    return replace(statement, **changes)


def recorded(batch: int = 1, **changes: Any) -> Recorded:
    return replace(Recorded(f"{batch:032x}", "person-1", AT, 7), **changes)


def attributed(
    number: int, what: Attributed, patient: PatientIdentity, **changes: Any
) -> AttributionStatement:
    return replace(AttributionStatement(f"{number:032x}", what, patient, "letter"), **changes)


@pytest.fixture
def two(catalog: Catalog) -> Catalog:
    """Studies 1 and 2 are Alice's, 3 is Bob's."""
    keep(catalog, of(1, ALICE), of(2, ALICE), of(3, BOB))
    return catalog


def known(catalog: Catalog, patient: PatientIdentity = ALICE) -> PatientRecord:
    found = catalog.facts.patient(patient)
    assert found is not None
    return found


def states(catalog: Catalog, patient: PatientIdentity = ALICE) -> list[FactState]:
    return [fact.state for fact in catalog.facts.of_patient(patient)]


def test_a_study_belongs_to_the_patient_in_its_header(two: Catalog):
    assert two.facts.studies_of(ALICE) == [study_uid(1), study_uid(2)]
    assert two.facts.patient_of(study_uid(3), "necker") == BOB
    assert known(two).studies == 2


def test_a_fact_comes_back_as_it_was_recorded(two: Catalog):
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1)], recorded())
    (fact,) = two.facts.of_patient(ALICE)
    assert (fact.patient, fact.institution, fact.statement, fact.recorded) == (
        ALICE,
        "necker",
        said(1),
        recorded(),
    )
    assert fact.state is FactState.STANDING
    assert two.facts.of_patient(BOB) == []


def test_recording_the_same_again_changes_nothing(two: Catalog):
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1)], recorded())
        tx.facts.record(ALICE, [said(1), said(2)], recorded())
    assert len(two.facts.of_patient(ALICE)) == 2


def test_a_correction_supersedes_and_erases_nothing(two: Catalog):
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1)], recorded())
        tx.facts.record(ALICE, [said(2, supersedes=(said(1).record_id,))], recorded(2))
    assert states(two) == [FactState.SUPERSEDED, FactState.STANDING]


def test_what_is_pending_supersedes_nothing_until_it_is_approved(two: Catalog):
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1)], recorded())
        tx.facts.record(ALICE, [said(2, supersedes=(said(1).record_id,), needs_approval=True)], recorded(2))
    assert states(two) == [FactState.STANDING, FactState.PENDING]
    with two.transaction() as tx:
        tx.facts.settle(recorded(2).batch_id, approved=True, by="person-2", at=AT + DAY)
        tx.facts.settle(recorded(2).batch_id, approved=False, by="person-3", at=AT + DAY)
    assert states(two) == [FactState.SUPERSEDED, FactState.STANDING]
    assert two.facts.of_patient(ALICE)[1].decided_by == "person-2"


def test_what_is_rejected_stays_told_and_counts_for_nothing(two: Catalog):
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1, needs_approval=True)], recorded())
        tx.facts.settle(recorded().batch_id, approved=False, by="person-2", at=AT)
    assert states(two) == [FactState.REJECTED]


def test_merged_patients_answer_as_one_and_split_again(two: Catalog):
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1)], recorded())
        tx.facts.record(BOB, [said(2)], recorded())
        tx.facts.attribute(attributed(1, Attributed.MERGE, ALICE, into=BOB), recorded(2))
    assert two.facts.studies_of(BOB) == two.facts.studies_of(ALICE) == [study_uid(n) for n in (1, 2, 3)]
    assert len(two.facts.of_patient(ALICE)) == len(two.facts.of_patient(BOB)) == 2
    assert known(two).same_as == BOB
    assert [s.study_uid for s in two.studies(StudyFilter(patient="B"))] == [study_uid(n) for n in (1, 2, 3)]
    with two.transaction() as tx:
        tx.facts.attribute(attributed(2, Attributed.SPLIT, ALICE), recorded(3))
    assert two.facts.studies_of(BOB) == [study_uid(3)]
    assert two.facts.studies_of(ALICE) == [study_uid(1), study_uid(2)]
    assert len(two.facts.of_patient(BOB)) == 1


def test_a_study_that_arrives_later_follows_a_merge(two: Catalog):
    with two.transaction() as tx:
        tx.facts.attribute(attributed(1, Attributed.MERGE, ALICE, into=BOB), recorded())
    keep(two, of(4, ALICE))
    assert two.facts.patient_of(study_uid(4), "necker") == BOB


def test_merges_in_a_chain_or_in_a_circle_end_at_one_patient(two: Catalog):
    carol = PatientIdentity(NECKER, "C")
    with two.transaction() as tx:
        tx.facts.attribute(attributed(1, Attributed.MERGE, ALICE, into=BOB), recorded())
        tx.facts.attribute(attributed(2, Attributed.MERGE, BOB, into=carol), recorded())
        tx.facts.attribute(attributed(3, Attributed.MERGE, carol, into=ALICE), recorded())
    assert {known(two, each).same_as for each in (ALICE, BOB, carol)} == {carol}
    with two.transaction() as tx:
        tx.facts.attribute(attributed(4, Attributed.SPLIT, BOB), recorded())
    assert known(two).same_as == BOB
    assert two.facts.studies_of(carol) == []


def test_a_study_of_the_wrong_patient_is_given_to_the_right_one_and_its_header_stays(two: Catalog):
    with two.transaction() as tx:
        tx.facts.attribute(attributed(1, Attributed.STUDY, BOB, study_uid=study_uid(1)), recorded())
    assert two.facts.studies_of(ALICE) == [study_uid(2)]
    assert two.facts.studies_of(BOB) == [study_uid(1), study_uid(3)]
    assert two.study(study_uid(1)).patient.patient_id == "A"
    keep(two, replace(of(1, ALICE), package_id=package_id(99), digests=(), instances=0))
    assert two.facts.patient_of(study_uid(1), "necker") == BOB


def test_who_is_concerned_is_decided_again(two: Catalog):
    with two.transaction() as tx:
        rows = tx.deciding().stale(0, 10)
        assert [len(patient.studies) for patient in tx.deciding().patients_of(rows[:1])] == [2]
        tx.facts.record(ALICE, [said(1)], recorded())
        (patient,) = tx.deciding().patients_of(rows[:1])
    assert [fact.statement for fact in patient.recorded] == [said(1)]


def test_a_visit_is_confirmed_by_a_verified_source_that_still_stands(two: Catalog):
    assert two.facts.visit_confirmed_on(ALICE) is None
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1, assurance="declared"), said(2, kind="discharge")], recorded())
    assert two.facts.visit_confirmed_on(ALICE) is None
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(3)], recorded(2, at=AT + timedelta(days=9)))
        tx.facts.record(ALICE, [said(4)], recorded(3))
    assert two.facts.visit_confirmed_on(ALICE) == (AT + timedelta(days=9)).date()


def test_when_a_patients_key_is_gone_so_is_all_that_was_recorded(two: Catalog):
    with two.transaction() as tx:
        tx.facts.set_key(ALICE, KEY, 1)
        tx.facts.record(ALICE, [said(1)], recorded())
        tx.facts.record(BOB, [said(2)], recorded())
        tx.facts.attribute(attributed(1, Attributed.MERGE, BOB, into=ALICE, needs_approval=True), recorded(2))
        assert tx.facts.forget([KEY]) == 1
    assert two.facts.of_patient(ALICE) == []
    assert two.facts.pending_attributions() == []
    assert len(two.facts.of_patient(BOB)) == 1
    assert known(two).key_id is None


def test_lists_stream_from_any_place(two: Catalog):
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1), said(2, needs_approval=True)], recorded())
        tx.facts.record(BOB, [said(3)], recorded())
    listed = [fact.statement.record_id for fact in two.facts.recorded()]
    assert listed == [said(n).record_id for n in (1, 2, 3)]
    assert len(list(two.facts.recorded(after=listed[0]))) == 2
    assert [f.statement.record_id for f in two.facts.recorded(is_pending=True)] == listed[1:2]
    assert len(list(two.facts.recorded(patient=("B", "")))) == 1
    assert len(list(two.facts.recorded(institution="cochin"))) == 0
    with pytest.raises(NotFoundError):
        two.facts.recorded(after="f" * 32)


def test_messages_are_remembered(two: Catalog):
    with two.transaction() as tx:
        tx.facts.remember(NECKER, [b"1" * 16], 7)
        tx.facts.remember(NECKER, [b"1" * 16, b"2" * 16], 8)
    assert two.facts.messages_read(NECKER, [b"1" * 16, b"3" * 16]) == {b"1" * 16}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fact SET from_on = '1999-01-01'",
        "UPDATE fact SET state = 'standing' WHERE state = 'superseded'",
        "UPDATE fact SET state = 'pending' WHERE state = 'standing'",
        "UPDATE patient SET patient_id = 'Z'",
    ],
)
def test_the_database_itself_refuses_to_rewrite_what_was_said(two: Catalog, statement):
    with two.transaction() as tx:
        tx.facts.record(ALICE, [said(1)], recorded())
        tx.facts.record(ALICE, [said(2, supersedes=(said(1).record_id,))], recorded())
    with pytest.raises(WriteOnceError), two._database.write() as connection:
        connection.exec_driver_sql(statement)
