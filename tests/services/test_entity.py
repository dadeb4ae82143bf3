"""Scope `entity`: visits and studies at every institution of the entity count; who reads at one is told no more."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from retention.catalog.deciding import PatientToDecide
from retention.model.clock import RehearsalClock
from retention.model.layout import InstitutionSpec
from retention.model.patient import PatientIdentity
from retention.policy.explain import explain
from retention.policy.loading import read_policy_file
from retention.policy.record import decision_record
from retention.policy.words import Assurance
from retention.services import decisions, institutions, patients_read, policy_changes
from retention.services.decision_inputs import ELSEWHERE, inputs_of
from retention.services.explaining import explain_study
from retention.services.facts.record import record
from retention.services.facts.saying import Saying
from retention.services.ingest.ingest import Ingest
from retention.services.progress import NoProgress
from retention.services.stores import Stores
from tests.services.instances import instance
from tests.services.world import World

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
HERE, THERE = "1.2.840.99.21", "1.2.840.99.22"
POLICY = """\
apiVersion: retention/v1
kind: RetentionPolicy
name: {scope}-wide
version: 1
effective_on: 2000-01-01
review_by: 2090-01-01
title: {{en: "Twenty years"}}
legal_basis: {{text: "a test", checked_on: 2026-01-01, status: unverified}}
rules: [{{id: twenty, match: {{any: true}}, trigger: last_visit, scope: {scope}, keep: P20Y}}]
"""


def send(
    world: World, stores: Stores, at: str, number: int, study: str, on: str, patient: str = "IPP-7"
) -> None:
    path = world.send(f"{at}-{number}.dcm", instance(number, study=study, patient=patient, on=on))
    owner = institutions.find(stores, at).institution_id
    Ingest(stores, owner, "hot", NoProgress(), 1).run([path])


@pytest.fixture
def world(empty: World) -> World:
    """Necker and Cochin are of one entity, Rouen is not; a patient has a study of 2010 at Necker, of 2015 at Cochin."""
    with empty.opened() as stores:
        stores.clock = RehearsalClock(AT)
        for scope in ("entity", "institution"):
            file = read_policy_file(POLICY.format(scope=scope), f"{scope}.yaml")
            policy_changes.apply(stores, policy_changes.propose(stores, [file]))
        for name, entity, scope in (
            ("necker", "aphp", "entity"),
            ("cochin", "aphp", "institution"),
            ("rouen", "chu-rouen", "entity"),
        ):
            institutions.add(stores, InstitutionSpec(name, entity=entity, policies=(f"{scope}-wide",)))
        send(empty, stores, "necker", 1, HERE, "20100301")
        send(empty, stores, "rouen", 2, "1.2.840.99.23", "20200101")
        send(empty, stores, "cochin", 3, THERE, "20150601")
    return empty


def end(stores: Stores, study: str = HERE) -> date | None:
    return stores.catalog.study(study).summary.keep_until_on


def test_a_study_at_another_institution_of_the_entity_moves_the_end_at_once(world: World) -> None:
    with world.opened() as stores:
        stores.clock = RehearsalClock(AT)
        assert end(stores) == date(2035, 6, 1)
        assert end(stores, THERE) == date(2035, 6, 1)  # by its own date, at scope institution
        send(world, stores, "cochin", 4, "1.2.840.99.24", "20180102")
        assert (end(stores), end(stores, THERE)) == (date(2038, 1, 2), date(2038, 1, 2))
        send(world, stores, "necker", 5, "1.2.840.99.25", "20190103")
        assert (end(stores), end(stores, THERE)) == (date(2039, 1, 3), date(2038, 1, 2))


def test_a_visit_recorded_there_counts_here_and_another_patient_does_not(world: World) -> None:
    with world.opened() as stores:
        stores.clock = RehearsalClock(AT)
        cochin = institutions.find(stores, "cochin").institution_id
        for patient, day in (("IPP-7", date(2016, 5, 4)), ("IPP-8", date(2021, 1, 1))):
            said = Saying(
                PatientIdentity(cochin, patient), "last_visit", day, None, "HIS COCHIN", Assurance.VERIFIED
            )
            record(stores, [said])
        assert end(stores) == date(2036, 5, 4)


def test_what_is_explained_here_does_not_tell_what_lies_there(world: World) -> None:
    with world.opened() as stores:
        stores.clock = RehearsalClock(AT)
        explained = explain_study(stores, HERE)
        told = " ".join(text.en for text in explain(explained.decision, explained.stay))
        written = json.dumps(decision_record(explained.decision), default=str)
    assert f"({ELSEWHERE})" in told
    for secret in ("cochin", THERE, "HIS COCHIN"):
        assert secret not in told.lower()
        assert secret not in written.lower()


def test_an_institution_that_leaves_the_entity_counts_no_more(world: World) -> None:
    with world.opened() as stores:
        stores.clock = RehearsalClock(AT)
        spec = institutions.find(stores, "cochin").spec
        moved = InstitutionSpec("cochin", entity="other", policies=spec.policies, plan=spec.plan)
        with stores.catalog.transaction() as transaction:
            owner = institutions.find(stores, "cochin")
            transaction.record_institution(type(owner)(owner.institution_id, moved, owner.sequence))
            transaction.mark_entity_stale("aphp")
        decisions.refresh(stores)
        assert end(stores) == date(2030, 3, 1)


def test_of_a_patient_with_many_studies_few_are_read_and_the_decisions_are_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[PatientToDecide] = []

    def seen(patient: PatientToDecide, *rest: object) -> object:
        read.append(patient)
        return inputs_of(patient, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("retention.services.decisions.inputs_of", seen)
    days = [f"20{year:02}0{month}15" for year in range(8, 13) for month in (1, 5, 9)]
    with world.opened() as stores:
        stores.clock = RehearsalClock(AT)
        for number, day in enumerate(days, 30):
            send(world, stores, "necker", number, f"1.2.840.99.{number}", day, "ANONYMOUS")
        whole = {study.study_uid: study.keep_until_on for study in stores.catalog.studies()}
        monkeypatch.setattr(patients_read, "WHOLE", 5)
        monkeypatch.setattr(patients_read, "WINDOW", 4)
        monkeypatch.setattr(decisions, "BATCH", 3)
        with stores.catalog.transaction() as transaction:
            for institution in stores.catalog.institutions():
                transaction.mark_stale(institution.institution_id)
        read.clear()
        decisions.refresh(stores)
        again = {study.study_uid: study.keep_until_on for study in stores.catalog.studies()}
    assert again == whole
    assert max(len(patient.studies) for patient in read) <= 3 + 8
