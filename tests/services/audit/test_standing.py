"""Rows about audits that somebody edited by hand: the journal disagrees, and that is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest

from retention.model.clock import RehearsalClock
from retention.services.audit.rounds import run_due
from retention.services.audit.selection import audit
from retention.services.audit.standing import disagreements
from retention.services.progress import NoProgress
from retention.services.stores import Stores
from tests.services.instances import OTHER_STUDY
from tests.services.world import EVERYTHING, World, flip

DAY = timedelta(days=1)
GUARDS = ("audit_run_frozen", "audit_run_kept", "audit_day_frozen", "audit_day_kept")


OLDEST = (
    "UPDATE package SET verified_at = (SELECT min(verified_at) FROM shard WHERE package_row = package.id)"
)


@pytest.fixture
def audited(held: World) -> Iterator[Stores]:
    """An archive with a repair, a shard that is damaged and known to be, and a day that is over."""
    with held.opened() as stores:
        (cold,) = stores.catalog.packages_of(OTHER_STUDY)
        flip(held.shard(cold, 2), 300)
        audit(stores, EVERYTHING, NoProgress(), repair=True)
        flip(held.shard(cold, 4), 300)
        stores.clock = RehearsalClock(stores.clock.now() + DAY)
        audit(stores, EVERYTHING, NoProgress(), repair=False)
        stores.clock = RehearsalClock(stores.clock.now() + DAY)
        run_due(stores)
        yield stores


def edit(stores: Stores, *statements: str) -> None:
    """Change the catalog as somebody with the database's password can: guards are no obstacle."""
    with sqlite3.connect(stores.root / "catalog.db") as connection:
        for guard in GUARDS:
            connection.execute(f"DROP TRIGGER IF EXISTS {guard}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_what_was_audited_repaired_and_found_damaged_is_as_the_journal_says(audited: Stores):
    assert disagreements(audited) == []


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["UPDATE package SET verified_at = verified_at + 1"], "not that of its shards"),
        (
            ["UPDATE shard SET verified_at = verified_at + 86400000000 * 300 WHERE number = 0"],
            "the journal does not",
        ),
        (
            [
                "UPDATE shard SET verified_at = verified_at + 1000000",
                OLDEST,
            ],
            "the journal does not",
        ),
        (
            ["UPDATE shard SET verified_at = (SELECT max(at) FROM audit_run) WHERE state = 'corrupt'"],
            "the journal does not",
        ),
        (["UPDATE shard SET state = 'sound' WHERE state = 'corrupt'"], "that it is sound"),
        (["DELETE FROM audit_run"], "the journal does not"),
        (["UPDATE audit_day SET results = results + 1"], "other results"),
        (["UPDATE audit_day SET digest = zeroblob(32)"], "other results"),
        (["UPDATE audit_day SET sequence = 0"], "other results"),
        (["UPDATE audit_day SET sequence = 100000"], "no such day"),
    ],
)
def test_every_edit_by_hand_is_noticed(audited: Stores, statements: list[str], said: str):
    edit(audited, *statements)
    found = disagreements(audited)
    assert found
    assert any(said in str(disagreement) for disagreement in found)


def test_no_more_is_listed_than_anybody_reads(audited: Stores):
    edit(audited, "UPDATE shard SET verified_at = verified_at + 1")
    assert len(disagreements(audited, limit=3)) == 3
