"""With a patient's last study goes the patient's key, and with it all that the journal ever said about that patient."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from retention.archive import rebuild_archive_catalog
from retention.catalog.holds import HoldRecord
from retention.catalog.policy_records import PolicyRecord
from retention.keyring.records import KeyKind
from retention.model.clock import RehearsalClock
from retention.model.errors import KeyUnavailableError, VolumeUnavailableError
from retention.model.identifiers import KeyId
from retention.model.patient import PatientIdentity
from retention.policy.loading import load_policies
from retention.policy.words import Assurance
from retention.services import approvals, holds, recall, registry
from retention.services.disposal.execution import Executed, execute
from retention.services.disposal.proposals import propose
from retention.services.entries.disposal import DESTROY
from retention.services.facts.attribute import merge, study_is_of
from retention.services.facts.record import record
from retention.services.facts.saying import Saying
from retention.services.handlers import handler_of
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from retention.services.progress import NoProgress
from retention.services.stores import Stores
from retention.storage.volume import Urgency
from tests.services.acting import rehearsal
from tests.services.instances import instance
from tests.services.move.moving import move_in
from tests.services.world import World

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONLY, TWO_OLD, TWO_NEW, MERGED, GIVEN = (f"1.2.840.99.{number}" for number in range(1, 6))
PATIENTS = ("IPP-1", "IPP-2", "IPP-3", "IPP-4", "IPP-5")
POLICY = """\
apiVersion: retention/v1
kind: RetentionPolicy
name: short
version: 1
effective_on: 2000-01-01
review_by: 2090-01-01
title: {en: "Five years"}
legal_basis: {text: "a test", checked_on: 2026-01-01, status: unverified}
rules: [{id: five-years, match: {any: true}, trigger: study_date, keep: P5Y}]
final_action: destroy
disposal: {approvals: [dim_physician], limits: {studies: 9, percent: 100, per: P30D}}
"""


@pytest.fixture
def world(folder) -> World:
    """IPP-1 has one old study, and one whose header says IPP-5; IPP-2 an old and a new one; IPP-3 is also IPP-4."""
    made = rehearsal(folder)
    sent = [
        (ONLY, "IPP-1", "20100101"),
        (TWO_OLD, "IPP-2", "20100101"),
        (TWO_NEW, "IPP-2", "20260101"),
        (MERGED, "IPP-3", "20100101"),
        (GIVEN, "IPP-5", "20100101"),
    ]
    for number, (study, patient, on) in enumerate(sent):
        made.send(f"{number}.dcm", instance(number, study=study, patient=patient, on=on, born="19600229"))
    made.ingest()
    with made.opened() as stores:
        stores.clock = RehearsalClock(AT)
        registry.add(stores, registry.NewPerson("Anna", (), ("archivist", "administrator"), None, None))
    with made.opened(person="Anna") as stores:
        stores.clock = RehearsalClock(AT)
        registry.add(stores, registry.NewPerson("Denis", (), ("dim_physician",), None, None))
        bind(stores)
        for patient in PATIENTS:
            say(stores, patient)
        merge(stores, who(stores, "IPP-4"), who(stores, "IPP-3"), "letter")
        study_is_of(stores, GIVEN, who(stores, "IPP-1"), "letter")
    return made


def bind(stores: Stores) -> None:
    (loaded,) = load_policies(POLICY, "short.yaml").documents
    document = loaded.document
    version = PolicyRecord(
        document.digest(), document.kind, document.name, document.version, document.canonical(), loaded.source
    )
    (owner,) = stores.catalog.institutions()
    spec = type(owner.spec)(owner.spec.name, timezone="Europe/Paris", policies=("short",))
    with stores.catalog.transaction() as transaction:
        transaction.policies.put_in_force(version, effective_on=None, sequence=1, at=AT, retires=False)
        transaction.record_institution(type(owner)(owner.institution_id, spec, owner.sequence))
        transaction.policies.list_for(owner.institution_id, AT, retires=False)
        transaction.mark_stale(owner.institution_id)


def who(stores: Stores, patient_id: str) -> PatientIdentity:
    (institution,) = stores.catalog.institutions()
    return PatientIdentity(institution.institution_id, patient_id)


def say(stores: Stores, patient: str) -> None:
    day = date(2020, 1, 1)
    record(stores, [Saying(who(stores, patient), "transfusion", day, None, "HIS", Assurance.VERIFIED)])


def approved(world: World, at: datetime = AT) -> str:
    with world.opened(person="Anna") as stores:
        stores.clock = RehearsalClock(at)
        (institution,) = stores.catalog.institutions()
        proposal = propose(stores, institution.institution_id).proposal_id
    with world.opened(person="Denis") as stores:
        stores.clock = RehearsalClock(at)
        (request,) = [one for one in approvals.pending(stores) if one.kind == "disposal"]
        approvals.approve(stores, request.request_id, handler_of)
    return proposal


def run(world: World, proposal: str, at: datetime = AT) -> Executed:
    with world.opened(person="Anna") as stores:
        stores.clock = RehearsalClock(at)
        return execute(stores, proposal)


def keys(world: World) -> dict[str, tuple[str, int]]:
    with world.opened(to_write=False) as stores:
        found = {patient: stores.catalog.facts.patient(who(stores, patient)) for patient in PATIENTS}
        return {
            name: (one.key_id, one.key_segment)
            for name, one in found.items()
            if one is not None and one.key_id is not None and one.key_segment is not None
        }


def opens(world: World, key: tuple[str, int]) -> bool:
    with world.opened(to_write=False) as stores:
        try:
            stores.keyring.patient_key(*key)  # type: ignore[arg-type]
        except KeyUnavailableError:
            return False
    return True


def known(world: World) -> object:
    with world.opened(to_write=False) as stores:
        patients = [who(stores, patient) for patient in PATIENTS]
        facts = stores.catalog.facts
        proposals = stores.catalog.disposals.all()
        return (
            [facts.patient(each) for each in patients],
            list(facts.recorded()),
            [facts.attributions_of(each) for each in patients],
            [facts.studies_of(each) for each in patients],
            [study.study_uid for study in stores.catalog.studies()],
            [stores.catalog.disposals.tombstones(each.proposal_id) for each in proposals],
        )


def test_a_patients_key_goes_with_the_last_study_under_every_name(world: World):
    proposal, before = approved(world), keys(world)
    assert set(before) == set(PATIENTS)
    done = run(world, proposal)
    assert (done.destroyed, done.left_out, done.remains) == (4, [], [])
    assert {name for name, key in before.items() if opens(world, key)} == {"IPP-2"}
    assert set(keys(world)) == {"IPP-2"}
    with world.opened(to_write=False) as stores:
        assert {fact.patient.patient_id for fact in stores.catalog.facts.recorded()} == {"IPP-2"}
        assert [stores.catalog.facts.patient(who(stores, one)) is None for one in PATIENTS] == [
            True, False, True, True, True,
        ]  # fmt: skip
        told = [one.envelope.data for one in stores.journal.read(0) if one.envelope.action == DESTROY]
    deeds = [data["by"] for data in told]
    assert deeds[1:] == deeds[:-1]
    assert isinstance(deeds[0], dict)
    assert (deeds[0]["subject"], deeds[0]["method"]) == (proposal, "declared")
    named = {str(key) for data in told for key, _ in data["patient_keys"]}  # type: ignore[union-attr,misc]
    assert named == {key for name, (key, _) in before.items() if name != "IPP-2"}
    assert done.certificate is not None
    certificate = json.loads(done.certificate.document)
    assert certificate["totals"]["patient_keys"] == 4
    assert certificate["verification"]["keys_tried"] == 4 + certificate["totals"]["packages"]
    assert certificate["verification"]["keys_that_open"] == 0
    grown = known(world)
    rebuild_archive_catalog(world.root, NoProgress())
    assert known(world) == grown


@pytest.mark.parametrize("stopped_at", [KeyKind.PATIENT, KeyKind.PACKAGE])
def test_what_was_stopped_half_way_goes_on_also_after_a_rebuild(
    world: World, stopped_at: KeyKind, monkeypatch: pytest.MonkeyPatch
):
    proposal, before = approved(world), keys(world)
    with world.opened(person="Anna") as stores, monkeypatch.context() as patch:
        stores.clock = RehearsalClock(AT)
        forget = stores.keyring.forget

        def stop(chosen, segments=None, kind=KeyKind.PACKAGE):
            if kind is stopped_at:
                raise VolumeUnavailableError("gone")
            return forget(chosen, segments, kind)

        patch.setattr(stores.keyring, "forget", stop)
        with pytest.raises(VolumeUnavailableError):
            execute(stores, proposal)
    grown = known(world)
    rebuild_archive_catalog(world.root, NoProgress())
    assert known(world) == grown
    assert run(world, proposal).destroyed == 4
    assert {name for name, key in before.items() if opens(world, key)} == {"IPP-2"}


def test_no_key_of_any_form_of_a_destroyed_study_opens(world: World):
    """Forms that were dropped, in their grace, and recalled copies in their time: whatever the study ever had."""
    with world.opened() as stores:
        stores.clock = RehearsalClock(AT)
        move_in(stores, "cold", stores.catalog.study(ONLY).packages)
        stores.clock = RehearsalClock(AT + GRACE)
        assert len(drop_due(stores).packages) == 1
        move_in(stores, "glacier", stores.catalog.study(ONLY).packages)
        recall.request(stores, stores.catalog.study(ONLY), "tumour board", Urgency.ROUTINE)
        stores.clock = RehearsalClock(AT + GRACE + timedelta(hours=12))
        assert len(recall.advance(stores).ready) == 1
    every = made_keys(world)
    assert len(every) == 5 + len(("in its grace", "dropped", "a copy"))
    run(world, approved(world, at := AT + GRACE + timedelta(hours=13)), at)
    left = {package.package_id for package in world.packages()}
    assert len(left) == 1
    with world.opened(to_write=False) as stores:
        opening = {package for package, key in every.items() if has_key(stores, key)}
    assert opening == left
    assert not [path for path in world.shards() if not any(one in path.name for one in left)]


def made_keys(world: World) -> dict[str, str]:
    """The key of every package that there ever was, from the journal."""
    made: dict[str, str] = {}
    with world.opened(to_write=False) as stores:
        for entry in stores.journal.read(0):
            package, key = entry.envelope.objects.get("package"), entry.envelope.data.get("key")
            if package is not None and isinstance(key, str):
                made[package] = key
    return made


def has_key(stores: Stores, key: str) -> bool:
    try:
        stores.keyring.package_key(KeyId(key))
    except KeyUnavailableError:
        return False
    return True


def test_a_patient_who_comes_again_gets_a_new_key(world: World):
    before = keys(world)
    run(world, approved(world))
    world.send("again.dcm", instance(9, study="1.2.840.99.9", patient="IPP-1", on="20261101"))
    world.ingest(world.source / "again.dcm")
    with world.opened(person="Anna") as stores:
        say(stores, "IPP-1")
    assert keys(world)["IPP-1"][0] != before["IPP-1"][0]
    grown = known(world)
    rebuild_archive_catalog(world.root, NoProgress())
    assert known(world) == grown


def held_and_released(world: World, **on: str) -> HoldRecord:
    with world.opened(person="Anna") as stores:
        stores.clock = RehearsalClock(AT)
        owner = stores.catalog.institutions()[0].institution_id
        placed = holds.place(stores, holds.Case(owner, "Legal", "appeal", date(2090, 1, 1), **on))
        holds.ask_release(stores, placed.hold_id, "over")
    with world.opened(person="Denis") as stores:
        stores.clock = RehearsalClock(AT)
        (request,) = [one for one in approvals.pending(stores) if one.kind == "hold-release"]
        approvals.approve(stores, request.request_id, handler_of)
    return placed


def test_what_a_hold_said_goes_with_the_last_study_that_it_covered(world: World):
    with world.opened(person="Anna") as stores:
        registry.change_roles(stores, "Denis", (), ("archivist",), ())
    on_study = held_and_released(world, study_uid=TWO_OLD)
    on_patient = held_and_released(world, patient="IPP-3")
    stays = held_and_released(world, patient="IPP-2")
    on_query = held_and_released(world, query="modality: CT")
    assert on_query.key_id is None
    run(world, approved(world))

    def told() -> list[str]:
        with world.opened(to_write=False) as stores:
            return [one.hold_id for one in stores.catalog.holds.all()]

    assert told() == [stays.hold_id, on_query.hold_id]
    for gone in (on_study, on_patient):
        assert not opens(world, (str(gone.key_id), gone.key_segment or 0))
    rebuild_archive_catalog(world.root, NoProgress())
    assert told() == [stays.hold_id, on_query.hold_id]
