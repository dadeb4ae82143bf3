"""Facts recorded through journal and catalog: what shortens waits, what does not counts at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime

import pytest

from retention.archive import rebuild_archive_catalog
from retention.catalog.fact_records import FactState
from retention.model.clock import RehearsalClock
from retention.model.errors import RoleMissingError, UsageError
from retention.model.patient import PatientIdentity
from retention.model.states import StudyState
from retention.policy.fates import Fate
from retention.policy.words import Assurance
from retention.services import approvals, commit, decisions
from retention.services.entries.approvals import reject_entry
from retention.services.entries.facts import FACT_RECORD
from retention.services.facts.attribute import merge, split, study_is_of
from retention.services.facts.record import FEEDS, RECORDERS, record
from retention.services.facts.saying import Saying
from retention.services.facts.second import approved as effect
from retention.services.facts.weigh import weigh
from retention.services.progress import NoProgress
from retention.services.stores import Stores
from tests.services.acting import Cast
from tests.services.deciding import CT, OTHER, rows
from tests.services.test_decisions import bind
from tests.services.world import World

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
FR = "fr-csp-r1112-7"


@pytest.fixture
def stores(held: World) -> Iterator[Stores]:
    with held.opened() as opened:
        opened.clock = RehearsalClock(AT)
        bind(opened, FR)
        yield opened


def who(stores: Stores, patient_id: str = "IPP-1") -> PatientIdentity:
    (institution,) = stores.catalog.institutions()
    return PatientIdentity(institution.institution_id, patient_id)


def say(stores: Stores, kind: str, on: str | None, patient_id: str = "IPP-1", **changes: object) -> Saying:
    words = {"to_on": None, "source": "HIS", "assurance": Assurance.VERIFIED} | changes
    day = None if on is None else date.fromisoformat(on)
    return Saying(who(stores, patient_id), kind, day, **words)  # type: ignore[arg-type]


def end(stores: Stores, study: str = CT) -> object:
    row = rows(stores)[study]
    return row["keep_until_on"] or row["state"]


def test_a_later_visit_counts_at_once_and_moves_all_ends(stores: Stores):
    record(stores, [say(stores, "birth", "1960-01-01")])
    settle_all(stores)
    assert end(stores) == date(2046, 11, 1)
    done = record(stores, [say(stores, "last_visit", "2026-11-20")])
    assert (done.weighed.facts, done.weighed.pending, done.weighed.count(Fate.LATER)) == (1, 0, 1)
    assert end(stores) == date(2046, 11, 20)
    assert stores.catalog.facts.visit_confirmed_on(who(stores)) == AT.date()


def settle_all(stores: Stores, *, approved: bool = True) -> None:
    for fact in list(stores.catalog.facts.recorded(is_pending=True)):
        settle(stores, fact.recorded.batch_id, approved=approved)


def settle(stores: Stores, request: str, *, approved: bool) -> None:
    """What approvals do with the last signature, and a rejection."""
    found = approvals.find(stores, request)
    if approved:
        commit.append(stores, effect(stores, found))
    else:
        key = stores.keyring.payload_key(who(stores).institution_id)
        commit.append(stores, [reject_entry(found, "no proof", key, AT, stores.actor, {})])
    decisions.refresh(stores)


def test_a_death_that_shortens_waits_for_a_second_person(stores: Stores):
    record(stores, [say(stores, "birth", "1960-01-01")])
    settle_all(stores)
    done = record(stores, [say(stores, "death", "2026-11-10")])
    assert done.weighed.pending == len(done.batches) == 1
    assert done.weighed.count(Fate.EARLIER) == 1
    assert end(stores) == date(2046, 11, 1)
    settle_all(stores)
    assert end(stores) == date(2036, 11, 10)


def test_what_is_rejected_never_counts(stores: Stores):
    record(stores, [say(stores, "birth", "1960-01-01")])
    settle_all(stores, approved=False)
    assert [fact.state for fact in stores.catalog.facts.recorded()] == [FactState.REJECTED]
    assert end(stores) == StudyState.UNDETERMINED.value


def test_a_hold_or_an_open_appeal_does_not_hide_that_a_fact_shortens(stores: Stores):
    record(stores, [say(stores, "birth", "1960-01-01")])
    settle_all(stores)
    record(stores, [say(stores, "liability_appeal", "2026-11-05")])
    assert end(stores) == StudyState.SUSPENDED.value
    assert record(stores, [say(stores, "death", "2026-11-10")]).weighed.pending == 1


def test_closing_an_appeal_replaces_the_open_one_and_needs_a_second_person(stores: Stores):
    record(stores, [say(stores, "liability_appeal", "2026-11-05")])
    done = record(stores, [say(stores, "liability_appeal", "2026-11-05", to_on=date(2026, 11, 10))])
    assert done.weighed.pending == 1
    assert end(stores) == StudyState.SUSPENDED.value
    settle_all(stores)
    assert end(stores) != StudyState.SUSPENDED.value


def test_several_that_shorten_only_together_all_wait(stores: Stores):
    """Neither a withdrawal of the later visit nor one of the earlier shortens while the other stands."""
    record(
        stores, [say(stores, "last_visit", "2026-11-20"), say(stores, "last_visit", "2026-11-20", source="B")]
    )
    record(stores, [say(stores, "birth", "1960-01-01")])
    settle_all(stores)
    ids = [
        fact.statement.record_id
        for fact in stores.catalog.facts.recorded()
        if fact.statement.kind == "last_visit" and fact.state is FactState.STANDING
    ]
    gone = [say(stores, "last_visit", None, supersedes=(each,), withdraws=True) for each in ids]
    assert record(stores, gone).weighed.pending == len(gone)


def test_what_stands_is_not_recorded_again_but_a_confirmed_visit_is(stores: Stores):
    for _ in range(2):
        done = record(
            stores, [say(stores, "transfusion", "2020-01-01"), say(stores, "last_visit", "2026-11-20")]
        )
    assert (done.weighed.facts, done.weighed.unchanged) == (1, 1)
    assert len(list(stores.catalog.facts.recorded())) == 3


def test_weighing_changes_nothing(stores: Stores):
    size = stores.journal.size
    weighed = weigh(
        stores, [say(stores, "last_visit", "2026-11-20"), say(stores, "death", "2026-01-01", "NOBODY")]
    )
    assert (weighed.facts, weighed.strangers) == (2, 1)
    assert stores.journal.size == size
    assert list(stores.catalog.facts.recorded()) == []


def test_the_envelope_says_nothing_of_the_patient_and_the_payload_is_under_his_key(stores: Stores):
    record(stores, [say(stores, "transfusion", "2020-01-01")])
    (entry,) = [each for each in stores.journal.read(0) if each.envelope.action == FACT_RECORD]
    assert b"IPP-1" not in entry.line
    assert b"transfusion" not in entry.line
    reference = entry.envelope.payload
    patient = stores.catalog.facts.patient(who(stores))
    assert reference is not None
    assert patient is not None
    assert reference.key_id == patient.key_id
    record(stores, [say(stores, "transplant", "2020-01-01")])
    assert stores.keyring.status().patient_keys == 1


def test_a_rebuild_knows_the_same(held: World):
    with held.opened() as stores:
        record(
            stores, [say(stores, "birth", "1960-01-01"), say(stores, "transfusion", "2020-01-01", "IPP-2")]
        )
        merge(stores, who(stores), who(stores, "IPP-2"), "letter")
        study_is_of(stores, OTHER, who(stores, "IPP-3"), "letter")
        before = known(stores)
    rebuild_archive_catalog(held.root, NoProgress())
    with held.opened() as stores:
        assert known(stores) == before


def known(stores: Stores) -> object:
    patients = [who(stores, each) for each in ("IPP-1", "IPP-2", "IPP-3")]
    facts = stores.catalog.facts
    return (
        [facts.patient(each) for each in patients],
        list(facts.recorded()),
        [facts.attributions_of(each) for each in patients],
        [facts.studies_of(each) for each in patients],
    )


def test_when_the_patients_key_is_destroyed_a_rebuild_knows_nothing_of_him(held: World):
    from retention.keyring.records import KeyKind

    with held.opened() as stores:
        record(
            stores,
            [say(stores, "transfusion", "2020-01-01"), say(stores, "transplant", "2020-01-01", "IPP-2")],
        )
        patient = stores.catalog.facts.patient(who(stores))
        assert patient is not None
        assert patient.key_id is not None
        stores.keyring.forget([patient.key_id], kind=KeyKind.PATIENT)
    rebuild_archive_catalog(held.root, NoProgress())
    with held.opened() as stores:
        assert [fact.patient.patient_id for fact in stores.catalog.facts.recorded()] == ["IPP-2"]


def test_a_merge_that_only_lengthens_counts_at_once_and_its_split_waits(stores: Stores):
    record(stores, [say(stores, "birth", "1960-01-01"), say(stores, "birth", "1960-01-01", "IPP-2")])
    settle_all(stores)
    record(stores, [say(stores, "last_visit", "2026-11-20", "IPP-2")])
    done = merge(stores, who(stores), who(stores, "IPP-2"), "letter")
    assert done.batch is None
    assert end(stores) == end(stores, OTHER) == date(2046, 11, 20)
    waiting = split(stores, who(stores), "letter")
    assert waiting.batch is not None
    assert end(stores) == date(2046, 11, 20)
    settle(stores, waiting.batch, approved=True)
    assert end(stores) == date(2046, 11, 1)


def test_a_study_given_to_another_patient_is_decided_with_that_ones_facts(stores: Stores):
    record(stores, [say(stores, "birth", "1960-01-01"), say(stores, "birth", "1960-01-01", "IPP-2")])
    settle_all(stores)
    record(stores, [say(stores, "last_visit", "2026-11-20", "IPP-2")])
    assert study_is_of(stores, CT, who(stores, "IPP-2"), "letter").batch is None
    assert end(stores) == date(2046, 11, 20)
    assert stores.catalog.study(CT).patient.patient_id == "IPP-1"


def test_what_cannot_be_merged_or_split_is_told(stores: Stores):
    merge(stores, who(stores), who(stores, "IPP-2"), "letter")
    with pytest.raises(UsageError, match="are known to be the same"):
        merge(stores, who(stores, "IPP-2"), who(stores), "letter")
    with pytest.raises(UsageError, match="was not merged"):
        split(stores, who(stores, "IPP-2"), "letter")


@pytest.mark.parametrize(("role", "may_say", "may_bring"), [
    ("archivist", True, True), ("ingest", False, True), ("reader", False, False),
])  # fmt: skip
def test_who_may_say_something_of_a_patient_once_people_are_registered(
    held: World, role: str, may_say: bool, may_bring: bool
) -> None:
    cast = Cast(held)
    cast.register("Anne", "administrator")
    cast.register("Ida", role, by="Anne")
    with cast.acting("Ida") as stores:
        saying = say(stores, "last_visit", "2026-11-01")
        for roles, may in ((RECORDERS, may_say), (FEEDS, may_bring)):
            with nullcontext() if may else pytest.raises(RoleMissingError, match=roles[0]):
                record(stores, [saying], roles=roles)
        with nullcontext() if may_say else pytest.raises(RoleMissingError, match="archivist"):
            study_is_of(stores, CT, who(stores, "IPP-9"), "letter")
    with held.opened() as stores, pytest.raises(RoleMissingError, match="nobody acts"):
        record(stores, [saying])
