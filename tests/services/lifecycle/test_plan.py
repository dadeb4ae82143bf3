"""What storage plans ask for: found by what the catalog knows, on any day, and never towards a faster tier."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from retention.catalog.policy_records import PolicyRecord
from retention.model.clock import RehearsalClock
from retention.model.errors import SettingsError
from retention.policy.plan_documents import StoragePlan
from retention.services import decisions
from retention.services.lifecycle.carry_out import carry_out
from retention.services.lifecycle.plan import plan_moves
from retention.services.lifecycle.planned import PlannedMove, read_plan, write_plan
from retention.services.move.budget import NO_LIMITS, Limits
from retention.services.progress import NoProgress
from retention.services.stores import Stores
from tests.services.instances import instance
from tests.services.world import World

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
CT, SMALL = "1.2.840.99.1", "1.2.840.99.2"
TIERS = [
    {"tier": "hot", "for": "P3Y", "from": "study_date", "unless_accessed_within": "P90D"},
    {"tier": "cold", "for": "P5Y"},
    {"tier": "glacier"},
]
TO_COLD, TO_GLACIER = date(2029, 11, 1), date(2034, 11, 1)


def put_in_force(stores: Stores, tiers: list[dict[str, str]]) -> None:
    """Let these rows be the plan of the one institution."""
    plan = StoragePlan.model_validate(
        {"apiVersion": "retention/v1", "kind": "StoragePlan", "name": "p", "tiers": tiers}
    )
    record = PolicyRecord(plan.digest(), plan.kind, plan.name, plan.version, plan.canonical(), "")
    (institution,) = stores.catalog.institutions()
    with stores.catalog.transaction() as transaction:
        transaction.policies.put_in_force(record, effective_on=None, sequence=1, at=AT, retires=False)
        spec = replace(institution.spec, plan="p", timezone="Europe/Paris")
        transaction.record_institution(replace(institution, spec=spec))
        transaction.mark_stale(institution.institution_id)


def moves(stores: Stores, at: date | None = None) -> list[tuple[str, str, str]]:
    decisions.refresh(stores)
    return [(move.study_uid, move.from_tier, move.to_tier) for move in plan_moves(stores, at)]


@pytest.fixture
def world(empty: World) -> World:
    """A study of more than a mebibyte and a small one, both of 2026-11-01, on hot."""
    empty.send("large.dcm", instance(1, study=CT, rows=800))
    empty.send("small.dcm", instance(1, study=SMALL, patient="IPP-2"))
    empty.ingest()
    return empty


@pytest.fixture
def stores(world: World):
    with world.opened() as opened:
        opened.clock = RehearsalClock(AT)
        put_in_force(opened, TIERS)
        yield opened


def test_nothing_is_due_before_its_day(stores: Stores):
    assert moves(stores) == []
    assert moves(stores, date(2029, 10, 31)) == []


def test_on_its_day_a_study_is_due(stores: Stores):
    assert moves(stores, TO_COLD) == [(CT, "hot", "cold"), (SMALL, "hot", "cold")]
    stores.clock = RehearsalClock(datetime(2029, 11, 1, 6, tzinfo=UTC))
    assert moves(stores) == [(CT, "hot", "cold"), (SMALL, "hot", "cold")]


def test_a_move_says_how_much_and_which_row_asks_for_it(stores: Stores):
    decisions.refresh(stores)
    first = next(plan_moves(stores, TO_COLD))
    size_bytes = stores.catalog.study(CT).summary.bytes_received
    assert first == PlannedMove(CT, "necker", "hot", "cold", size_bytes, "p/tiers")


def test_the_day_is_the_institutions_own(stores: Stores):
    stores.clock = RehearsalClock(datetime(2029, 10, 31, 23, 30, tzinfo=UTC))  # half past midnight in Paris
    assert len(moves(stores)) == 2


def test_tiers_may_be_skipped_and_what_is_too_small_for_one_stays(stores: Stores):
    assert moves(stores, TO_GLACIER) == [(CT, "hot", "glacier")]


def test_what_lies_where_it_should_is_not_due(world: World):
    world.send("more.dcm", instance(2, study=CT))
    with world.opened() as stores:
        stores.clock = RehearsalClock(AT)
        put_in_force(stores, TIERS)
        world.ingest_into(stores, world.source / "more.dcm", tier="cold")
        assert moves(stores, TO_COLD) == [(CT, "hot", "cold"), (SMALL, "hot", "cold")]
        assert moves(stores) == []  # nothing moves to a faster tier


def test_an_access_keeps_a_study_warm(stores: Stores):
    package = stores.catalog.packages_of(CT)[0].package_id
    with stores.catalog.transaction() as transaction:
        transaction.record_access(package, date(2029, 10, 30))
    assert moves(stores, TO_COLD) == [(SMALL, "hot", "cold")]
    assert moves(stores, date(2030, 1, 28)) == [(CT, "hot", "cold"), (SMALL, "hot", "cold")]


def test_a_plan_with_a_tier_that_is_not_there_is_an_error(stores: Stores):
    put_in_force(stores, [{"tier": "hot", "for": "P3Y", "from": "study_date"}, {"tier": "tape"}])
    with pytest.raises(SettingsError, match="tape"):
        plan_moves(stores)


def test_without_a_plan_nothing_moves(world: World):
    with world.opened() as stores:
        (institution,) = stores.catalog.institutions()
        with stores.catalog.transaction() as transaction:
            transaction.record_institution(replace(institution, spec=replace(institution.spec, plan=None)))
            transaction.mark_stale(institution.institution_id)
        assert moves(stores, date(2090, 1, 1)) == []


def carried_out(stores: Stores, planned: list[PlannedMove], limits: Limits = NO_LIMITS):
    return carry_out(stores, planned, limits, NoProgress())


def test_a_plan_is_carried_out_and_then_nothing_is_due(stores: Stores):
    stores.clock = RehearsalClock(datetime(2029, 11, 1, 6, tzinfo=UTC))
    decisions.refresh(stores)
    outcome = carried_out(stores, list(plan_moves(stores)))
    assert (len(outcome.moved), outcome.failed, outcome.skipped, outcome.left) == (2, [], [], [])
    assert moves(stores) == []
    assert {study.tiers for study in stores.catalog.studies()} == {("cold",)}


def test_limits_leave_the_rest_for_the_next_run(stores: Stores):
    stores.clock = RehearsalClock(datetime(2029, 11, 1, 6, tzinfo=UTC))
    decisions.refresh(stores)
    planned = list(plan_moves(stores))
    outcome = carried_out(stores, planned, Limits(max_bytes=planned[0].size_bytes))
    assert ([m.study_uid for m in outcome.moved], [m.study_uid for m in outcome.left]) == ([CT], [SMALL])
    assert moves(stores) == [(SMALL, "hot", "cold")]


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (PlannedMove(CT, "necker", "hot", "tape", 1, "r"), "archive.yaml has no tier tape"),
        (PlannedMove(CT, "necker", "cold", "hot", 1, "r"), "nothing moves to a faster tier"),
        (PlannedMove(CT, "necker", "hot", "hot", 1, "r"), "nothing moves to a faster tier"),
        (PlannedMove(CT, "necker", "cold", "glacier", 1, "r"), "nothing of it lies on cold"),
        (PlannedMove(SMALL, "necker", "hot", "glacier", 1, "r"), "it is too small for glacier"),
        (PlannedMove("1.2.3", "necker", "hot", "cold", 1, "r"), "no study 1.2.3 is held"),
        (PlannedMove(CT, "cochin", "hot", "cold", 1, "r"), "cochin"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_a_file_asks_for_and_does_not_fit_is_skipped_and_said(stores: Stores, move, why):
    outcome = carried_out(stores, [move])
    ((skipped, said),) = outcome.skipped
    assert (outcome.moved, skipped) == ([], move)
    assert why in said


def test_a_plan_comes_back_from_its_file(tmp_path):
    planned = [PlannedMove(f"1.2.{n}", "necker", "hot", "cold", n, "p/tiers") for n in range(3)]
    assert write_plan(tmp_path / "plan", date(2030, 1, 1), planned) == 3
    assert read_plan(tmp_path / "plan") == planned
    write_plan(tmp_path / "none", date(2030, 1, 1), [])
    assert read_plan(tmp_path / "none") == []
