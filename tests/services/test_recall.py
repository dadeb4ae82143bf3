"""Recall: a study on a slow tier can be read for a time, by who asked and said why; everything is in the journal."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from retention.catalog.catalog import Catalog
from retention.catalog.policy_records import PolicyRecord
from retention.catalog.recalls import RecallProgress, RecallRecord
from retention.model.clock import RehearsalClock
from retention.model.errors import KeptError, NotFoundError, NotReadyError, UsageError
from retention.model.findings import FindingKind
from retention.policy.plan_documents import StoragePlan
from retention.services import audit_record, events, gate, recall
from retention.services.audit_record import AuditOutcome
from retention.services.move.leaving import drop_due
from retention.services.move.move import GRACE
from retention.services.progress import NoProgress
from retention.services.retrieve import export_study
from retention.services.stores import Stores
from retention.services.volumes import shard_key
from retention.storage.volume import Urgency
from tests.services.instances import STUDY, instance
from tests.services.move.moving import move_in
from tests.services.test_rebuild import known, lose, made_again
from tests.services.world import GLACIER, HOT, World, contents, flip

OTHER = "1.2.840.99.2"
DELAY, KEEP = timedelta(hours=12), timedelta(days=7)


class Asleep:
    """An archive whose studies lie on glacier, a day later; its clock is ours."""

    def __init__(self, world: World, stores: Stores) -> None:
        self.world, self.stores = world, stores

    def later(self, by: timedelta) -> None:
        self.stores.clock = RehearsalClock(self.stores.clock.now() + by)

    def ask(
        self, uid: str = STUDY, reason: str = "tumour board", urgency: Urgency = Urgency.ROUTINE
    ) -> RecallRecord:
        return recall.request(self.stores, self.stores.catalog.study(uid), reason, urgency)

    def export(self, uid: str = STUDY):
        out = self.world.root.parent / "out"
        shutil.rmtree(out, ignore_errors=True)
        return export_study(self.stores, self.stores.catalog.study(uid), out, NoProgress())

    def state(self, asked: RecallRecord) -> RecallProgress:
        return self.stores.catalog.recalls.one(asked.recall_id).state

    @property
    def now(self) -> datetime:
        return self.stores.clock.now()


@pytest.fixture
def asleep(held: World):
    with held.opened() as stores:
        stores.clock = RehearsalClock(stores.clock.now())
        assert len(move_in(stores, "glacier", held.packages()).moved) == 2
        found = Asleep(held, stores)
        found.later(GRACE)
        assert len(drop_due(stores).packages) == 2
        yield found


def test_what_was_not_recalled_is_not_ready_and_says_what_to_do(asleep: Asleep):
    report = asleep.export()
    ((error,), instances) = (report.failures, report.instances)
    assert isinstance(error, NotReadyError)
    assert (instances, error.ready_at) == (0, None)
    assert f"recall request {STUDY}" in str(error.hint)


def test_a_recalled_study_is_readable_after_the_delay_and_for_a_time(asleep: Asleep):
    asked = asleep.ask()
    assert (asked.state, asked.study_uid, asked.reason) == (RecallProgress.REQUESTED, STUDY, "tumour board")
    assert recall.expected_at(asleep.stores, asked) == asleep.now + DELAY
    (error,) = asleep.export().failures
    assert isinstance(error, NotReadyError)
    assert error.ready_at == asleep.now + DELAY
    asleep.later(DELAY - timedelta(seconds=1))
    assert recall.advance(asleep.stores).ready == []
    asleep.later(timedelta(seconds=1))
    assert [done.recall_id for done in recall.advance(asleep.stores).ready] == [asked.recall_id]
    ready = asleep.stores.catalog.recalls.one(asked.recall_id)
    assert (ready.state, ready.ready_at, ready.until_at) == (
        RecallProgress.READY,
        asleep.now,
        asleep.now + KEEP,
    )
    assert asleep.stores.catalog.study(STUDY).summary.tiers == ("glacier", "hot")
    assert asleep.export().instances == 3
    asleep.later(KEEP)
    assert len(drop_due(asleep.stores).packages) == 1
    assert asleep.state(asked) is RecallProgress.EXPIRED
    assert asleep.stores.catalog.study(STUDY).summary.tiers == ("glacier",)
    assert asleep.world.shards(*HOT) == []
    assert isinstance(asleep.export().failures[0], NotReadyError)
    assert asleep.stores.catalog.check() == []


def test_the_bytes_are_those_that_came(asleep: Asleep):
    asleep.ask()
    asleep.ask(OTHER)
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    out = asleep.world.root.parent / "all"
    for uid in (STUDY, OTHER):
        export_study(asleep.stores, asleep.stores.catalog.study(uid), out / uid, NoProgress())
    found = {path.name: path.read_bytes() for path in out.rglob("*.dcm")}
    assert contents(found) == sorted(asleep.world.sent.values())


def test_an_emergency_is_quicker_and_later_urgency_helps_who_asked_before(asleep: Asleep):
    slow = asleep.ask()
    asleep.ask(urgency=Urgency.EMERGENCY, reason="in the theatre now")
    assert recall.expected_at(asleep.stores, slow) == asleep.now + DELAY / 10
    asleep.later(DELAY / 10)
    assert len(recall.advance(asleep.stores).ready) == 2


def test_only_what_reading_needs_is_asked_of_the_volumes(asleep: Asleep):
    asleep.ask()
    assert len(asleep.world.files(*GLACIER, suffix=".json")) == 2 + 1  # two identities, one note of a recall


def test_a_study_that_can_be_read_needs_no_recall(held: World):
    with held.opened() as stores, pytest.raises(UsageError, match="can be read as it is"):
        recall.request(stores, stores.catalog.study(STUDY), "why not", Urgency.ROUTINE)


def test_a_recall_has_a_reason(asleep: Asleep):
    with pytest.raises(UsageError, match="reason"):
        asleep.ask(reason="  ")


def test_who_asks_while_a_copy_is_there_has_it_at_once_and_keeps_it_longer(asleep: Asleep):
    first = asleep.ask()
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    asleep.later(KEEP / 2)
    second = asleep.ask(reason="second opinion")
    assert (second.state, second.until_at) == (RecallProgress.READY, asleep.now + KEEP)
    asleep.later(KEEP / 2)
    assert drop_due(asleep.stores).packages == []
    asleep.later(KEEP / 2)
    assert len(drop_due(asleep.stores).packages) == 1
    assert {asleep.state(first), asleep.state(second)} == {RecallProgress.EXPIRED}


def test_a_copy_that_is_asked_for_while_others_are_dropped_keeps_its_key(
    asleep: Asleep, monkeypatch: pytest.MonkeyPatch
):
    asleep.ask()
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    asleep.later(KEEP)
    listed = list(asleep.stores.catalog.leaving_packages(asleep.now))
    asleep.later(-timedelta(seconds=1))
    assert asleep.ask(reason="second opinion").state is RecallProgress.READY
    asleep.later(timedelta(seconds=1))
    monkeypatch.setattr(Catalog, "leaving_packages", lambda *_: iter(listed))
    assert len(listed) == 1
    assert drop_due(asleep.stores).packages == []
    assert asleep.export().instances == 3


def test_a_copy_that_a_volume_would_not_give_up_is_none_for_who_asks_again(asleep: Asleep):
    asleep.ask()
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    asleep.later(KEEP)
    away = asleep.world.root / "away"
    asleep.world.volume("hot-b").rename(away)
    asleep.stores.volumes.states()
    assert drop_due(asleep.stores).packages == []  # its key is gone, and a shard lies on
    away.rename(asleep.world.volume("hot-b"))
    again = asleep.ask(reason="second opinion")
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    assert asleep.state(again) is RecallProgress.READY
    assert asleep.export().instances == 3


def test_a_request_can_be_given_up(asleep: Asleep):
    asked = asleep.ask()
    assert recall.cancel(asleep.stores, asked.recall_id).state is RecallProgress.CANCELLED
    asleep.later(DELAY)
    assert recall.advance(asleep.stores).ready == []
    with pytest.raises(UsageError, match="cancelled already"):
        recall.cancel(asleep.stores, asked.recall_id)
    with pytest.raises(NotFoundError):
        recall.cancel(asleep.stores, "0" * 32)


def test_giving_up_the_last_ready_request_drops_the_copy(asleep: Asleep):
    first, second = asleep.ask(), asleep.ask(reason="as well")
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    recall.cancel(asleep.stores, first.recall_id)
    assert drop_due(asleep.stores).packages == []
    recall.cancel(asleep.stores, second.recall_id)
    assert len(drop_due(asleep.stores).packages) == 1


def test_a_copy_is_never_dropped_as_anything_else(asleep: Asleep):
    asleep.ask()
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    (copied,) = [p for p in asleep.world.packages() if p.copy_of is not None]
    asleep.later(9 * KEEP)
    shard = copied.shards[0]
    volume, key = asleep.stores.volumes[str(shard.volume)], shard_key(copied.package_id, 0, 0)
    for why in set(gate.Why) - {gate.Why.EXPIRED}:
        with pytest.raises(KeptError):
            gate.remove(asleep.stores.catalog, volume, [key], why, asleep.now)
    assert gate.remove(asleep.stores.catalog, volume, [key], gate.Why.EXPIRED, asleep.now) == 1


def test_it_goes_on_where_it_was_killed(asleep: Asleep, monkeypatch: pytest.MonkeyPatch):
    """The journal has the request, and no volume was asked."""
    with monkeypatch.context() as patch:
        patch.setattr(recall, "advance", lambda _: None)
        asked = asleep.ask()
    assert recall.expected_at(asleep.stores, asked) is None
    recall.advance(asleep.stores)
    assert recall.expected_at(asleep.stores, asked) == asleep.now + DELAY


def test_a_rebuilt_catalog_knows_all_recalls(asleep: Asleep):
    asleep.ask()
    asleep.ask(OTHER)
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    before = list(asleep.stores.catalog.recalls.all())
    facts = known(asleep.world)
    asleep.stores.close()
    lose(asleep.world)
    made_again(asleep.world)
    with asleep.world.opened() as stores:
        assert list(stores.catalog.recalls.all()) == before
    assert known(asleep.world) == facts


def test_an_audit_finds_nothing_wrong_with_what_it_cannot_read(asleep: Asleep):
    report = asleep.world.audit()
    assert (report.findings, report.lost, report.unreachable) == ([], 0, 0)


def test_what_comes_again_is_recognised_without_a_recall(asleep: Asleep):
    again = asleep.world.ingest()
    assert (again.duplicates, again.stored, again.unreadable) == (5, 0, 0)
    late = asleep.world.send("late.dcm", instance(9))
    assert asleep.world.ingest(late).stored == 1


def test_a_late_instance_can_be_read_together_with_the_recalled_rest(asleep: Asleep):
    late = asleep.world.send("late.dcm", instance(9))
    asleep.world.ingest(late)
    assert asleep.export().instances == 0  # a part is not the study
    asleep.ask()
    asleep.later(DELAY)
    recall.advance(asleep.stores)
    assert asleep.export().instances == 4


def test_an_export_is_an_access(held: World):
    with held.opened() as stores:
        export_study(stores, stores.catalog.study(STUDY), held.root.parent / "out", NoProgress())
        with stores.catalog.deciding() as view:
            (patient,) = view.patients_of([1])
        assert [study.accessed_on for study in patient.studies] == [stores.clock.now().date()]


def test_what_was_said_about_the_patient_is_under_the_patients_key(asleep: Asleep):
    """It goes with the patient's last study."""
    asleep.ask()
    asleep.ask(reason="again")
    entries = [e.envelope for e in asleep.stores.journal.read() if e.envelope.action == "recall.request"]
    keys = {entry.payload.key_id for entry in entries if entry.payload is not None}
    (institution,) = asleep.stores.catalog.institutions()
    assert keys != {asleep.stores.keyring.payload_key(institution.institution_id).key_id}
    (key_id,) = keys
    assert key_id is not None
    assert asleep.stores.keyring.patient_key(key_id)


def let_plan_ask_for_audits(stores: Stores, fixity: dict[str, str]) -> None:
    plan = StoragePlan.model_validate(
        {
            "apiVersion": "retention/v1",
            "kind": "StoragePlan",
            "name": "p",
            "tiers": [{"tier": "glacier"}],
            "fixity": {"glacier": fixity},
        }
    )
    record = PolicyRecord(plan.digest(), plan.kind, plan.name, plan.version, plan.canonical(), "")
    (institution,) = stores.catalog.institutions()
    with stores.catalog.transaction() as transaction:
        at = stores.clock.now()
        transaction.policies.put_in_force(record, effective_on=None, sequence=1, at=at, retires=False)
        transaction.record_institution(replace(institution, spec=replace(institution.spec, plan="p")))


def audits(stores: Stores) -> list[AuditOutcome]:
    return [
        audit_record.decode(entry.payload)
        for entry in stores.journal.read()
        if entry.envelope.action == events.AUDIT_RUN and entry.payload is not None
    ]


def test_what_a_recall_gives_out_is_audited_where_the_plan_says_so(asleep: Asleep):
    let_plan_ask_for_audits(asleep.stores, {"full": "P10Y", "on_recall": "full"})
    (package,) = asleep.stores.catalog.packages_of(STUDY)
    asleep.ask()
    asleep.later(DELAY)
    assert recall.advance(asleep.stores).findings == []
    (outcome,) = audits(asleep.stores)
    assert outcome.sound == {package.package_id: [0]}  # the other copy was not asked for, and not read
    verified = {s.number: s.verified_at for s in asleep.stores.catalog.shards_of(package.package_id)}
    assert verified[0] == asleep.now
    assert verified[1] != asleep.now


def test_nothing_is_audited_where_it_does_not(asleep: Asleep):
    let_plan_ask_for_audits(asleep.stores, {"full": "P10Y"})
    asleep.ask()
    asleep.later(DELAY)
    assert len(recall.advance(asleep.stores).ready) == 1
    assert audits(asleep.stores) == []


def test_damage_met_at_a_recall_is_found_even_if_nothing_can_be_read(asleep: Asleep):
    let_plan_ask_for_audits(asleep.stores, {"on_recall": "full"})
    (package,) = asleep.stores.catalog.packages_of(STUDY)
    flip(asleep.world.shard(package, 0), 1000)
    asked = asleep.ask()
    asleep.later(DELAY)
    done = recall.advance(asleep.stores)
    assert [each.recall_id for each, _ in done.failed] == [asked.recall_id]
    assert [(found.kind, found.shard) for found in done.findings] == [(FindingKind.CORRUPT, 0)]
    (outcome,) = audits(asleep.stores)
    assert [shard.number for shard in outcome.flawed[package.package_id]] == [0]
    assert outcome.lost == []  # the other copy was not looked at
