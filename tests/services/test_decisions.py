"""The decision engine: what the catalog says of a study is what policies say today."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from retention.catalog.policy_records import PolicyRecord
from retention.model.clock import RehearsalClock
from retention.model.states import StudyState
from retention.services import decisions
from retention.services.policies import library_entry
from retention.services.stores import Stores
from tests.services.deciding import CT, OTHER, rows
from tests.services.instances import instance
from tests.services.world import World

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def version_of(name: str) -> PolicyRecord:
    loaded = library_entry(name)
    document = loaded.document
    return PolicyRecord(
        document.digest(), document.kind, document.name, document.version, document.canonical(), loaded.source
    )


def bind(stores: Stores, *policies: str, plan: str | None = None, timezone: str = "Europe/Paris") -> None:
    """Put policies in force for the institution, as their entries do."""
    (record,) = stores.catalog.institutions()
    with stores.catalog.transaction() as transaction:
        for name in (*policies, *([plan] if plan else [])):
            transaction.policies.put_in_force(
                version_of(name), effective_on=None, sequence=1, at=AT, retires=False
            )
        spec = type(record.spec)(record.spec.name, timezone=timezone, policies=policies, plan=plan)
        transaction.record_institution(type(record)(record.institution_id, spec, record.sequence))
        transaction.policies.list_for(record.institution_id, AT, retires=False)
        transaction.mark_stale(record.institution_id)


@pytest.fixture
def stores(known: World):
    with known.opened() as opened:
        opened.clock = RehearsalClock(AT)
        yield opened


def test_what_came_in_is_decided_when_ingest_ends(held: World):
    with held.opened() as stores:
        assert [(row["is_stale"], row["reason"]) for row in rows(stores).values()] == [
            (False, "no_policy")
        ] * 2


def test_without_a_policy_everything_is_kept_for_ever(stores: Stores):
    assert {study.state for study in stores.catalog.studies()} == {StudyState.PERMANENT}


def test_a_birth_date_that_cannot_be_is_missing(held: World):
    with held.opened() as stores:
        bind(stores, "generic-20-years")
        decisions.refresh(stores)
        assert [(row["state"], row["reason"]) for row in rows(stores).values()] == [
            ("UNDETERMINED", "missing")
        ] * 2


def test_a_policy_decides_every_study_of_those_who_list_it(stores: Stores):
    bind(stores, "generic-20-years", plan="standard")
    assert all(row["is_stale"] for row in rows(stores).values())
    assert decisions.refresh(stores) == 2
    row = rows(stores)[CT]
    assert (row["state"], row["keep_until_on"], row["reason"]) == ("DETERMINED", date(2046, 11, 1), "rules")
    assert (row["plan_tier"], row["next_tier"], row["move_on"]) == ("hot", "cold", date(2029, 11, 1))
    assert row["next_change_on"] == date(2029, 11, 1)
    assert decisions.refresh(stores) == 0


def test_what_time_changes_is_decided_on_the_day_it_does(stores: Stores):
    bind(stores, "generic-20-years", plan="standard")
    decisions.refresh(stores)
    stores.clock = RehearsalClock(datetime(2029, 10, 31, 22, 59, tzinfo=UTC))
    assert decisions.refresh(stores) == 0
    stores.clock = RehearsalClock(datetime(2029, 10, 31, 23, 1, tzinfo=UTC))  # the day has begun in Paris
    assert decisions.refresh(stores) == 2
    row = rows(stores)[CT]
    assert (row["plan_tier"], row["next_tier"]) == ("cold", "glacier")


def test_a_new_study_moves_the_end_of_all_of_its_patients(known: World):
    with known.opened() as stores:
        bind(stores, "generic-20-years")
        decisions.refresh(stores)
        assert rows(stores)[CT]["keep_until_on"] == date(2046, 11, 1)
    known.send("later.dcm", instance(9, study="1.2.840.99.7", on="20261110", born="19600229"))
    known.ingest(known.source / "later.dcm")
    with known.opened() as stores:
        ends = {uid: row["keep_until_on"] for uid, row in rows(stores).items()}
    assert ends[CT] == ends["1.2.840.99.7"] == date(2046, 11, 10)
    assert ends[OTHER] == date(2046, 11, 1)  # another patient


def test_an_access_keeps_a_study_warm(stores: Stores):
    bind(stores, plan="fr-imaging")
    decisions.refresh(stores)
    package = stores.catalog.packages_of(CT)[0].package_id
    with stores.catalog.transaction() as transaction:
        transaction.record_access(package, date(2029, 10, 1))
        transaction.record_access(package, date(2028, 1, 1))
    assert decisions.refresh(stores) == 1
    assert rows(stores)[CT]["move_on"] == date(2029, 12, 30)
    assert rows(stores)[OTHER]["move_on"] == date(2029, 11, 1)


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_batches_change_nothing(stores: Stores, batch: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decisions, "BATCH", batch)
    bind(stores, "generic-20-years", plan="standard")
    assert decisions.refresh(stores) == 2
    assert {row["keep_until_on"] for row in rows(stores).values()} == {date(2046, 11, 1)}
