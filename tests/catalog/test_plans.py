"""No list reads or sorts a whole table: every statement of every list walks an index, whatever was stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from retention.catalog import paging
from retention.catalog.audit_records import AuditRunRecord
from retention.catalog.catalog import Catalog
from retention.catalog.records import PackageKind, QuarantinedRecord, ShardState, StudyFilter
from retention.catalog.tables import SPREAD_BYTES
from retention.model.states import StudyState
from tests.catalog.making import (
    AT,
    COLD,
    DAY,
    HOT,
    NECKER,
    decide,
    digest,
    keep,
    package,
    package_id,
    quarantine,
    shards,
    study_uid,
)

ITEM = QuarantinedRecord(0, "no-identity", "", "a.dcm", 5)
DUE = date(2030, 1, 1)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 2)  # so that every list goes on from a position, too


@pytest.fixture
def stocked(catalog: Catalog, file: Path) -> Catalog:
    keep(
        catalog, *(package(n, protection=HOT if n % 2 else COLD, created_at=AT - n * DAY) for n in range(40))
    )
    keep(catalog, *(quarantine(n, ITEM) for n in range(40, 45)))
    keep(catalog, *(package(n, protection=COLD, bytes_stored=SPREAD_BYTES) for n in range(60, 66)))
    with catalog.transaction() as tx:
        for number in range(10):
            decide(tx, study_uid(number), NECKER, StudyState.DETERMINED, date(2029, 1, 1 + number))
        for number in range(5):
            tx.audits.run(AuditRunRecord(200 + number, AT + number * DAY, "all", 1, 1, 1, 1, 0, 0, 0))
        tx.set_shards(package_id(2), [replace(shards(COLD)[0], state=ShardState.MISSING)])
    return catalog


def plans(catalog: Catalog, ask: Callable[[Catalog], object]) -> Iterator[tuple[str, list[str]]]:
    """Every statement that a question makes, and how SQLite goes about it."""
    asked: list[tuple[str, Any]] = []

    def note(connection, cursor, statement, parameters, context, many) -> None:
        asked.append((statement, parameters))

    engine = catalog._database.engine
    event.listen(engine, "before_cursor_execute", note)
    answer = ask(catalog)
    if isinstance(answer, Iterator):
        assert list(answer)
    event.remove(engine, "before_cursor_execute", note)
    with catalog._database.read() as connection:
        for statement, parameters in asked:
            if statement.startswith(("SELECT", "UPDATE")):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                yield statement, [row.detail for row in rows]


LISTS = {
    "all studies": lambda c: c.studies(),
    "from a position": lambda c: c.studies(StudyFilter(after=study_uid(3))),
    "of an institution": lambda c: c.studies(StudyFilter(institution="necker")),
    "of a tier": lambda c: c.studies(StudyFilter(tier="cold")),
    "of a tier, from a position": lambda c: c.studies(StudyFilter(tier="cold", after=study_uid(3))),
    "of a state": lambda c: c.studies(StudyFilter(state=StudyState.DETERMINED)),
    "permanent": lambda c: c.studies(StudyFilter(state=StudyState.PERMANENT)),
    "of a patient": lambda c: c.studies(StudyFilter(patient="P7")),
    "due": lambda c: c.studies(StudyFilter(due_before=DUE)),
    "due, from a position": lambda c: c.studies(StudyFilter(due_before=DUE, after=study_uid(3))),
    "of everything": lambda c: c.studies(
        StudyFilter("necker", "cold", StudyState.DETERMINED, "P2", DUE, after=study_uid(1))
    ),
    "packages": lambda c: c.all_packages(),
    "packages of a tier": lambda c: c.all_packages(tier="cold"),
    "packages of studies": lambda c: c.all_packages(kind=PackageKind.STUDY),
    "packages of what is quarantined": lambda c: c.all_packages(kind=PackageKind.QUARANTINE),
    "flawed shards": lambda c: c.flawed_shards(),
    "missing shards": lambda c: c.flawed_shards(ShardState.MISSING),
    "packages longest unread": lambda c: c.audits.longest_unread("cold", AT),
    "large packages longest untouched": lambda c: c.audits.longest_untouched("cold", AT),
    "audits": lambda c: c.audits.runs(AT),
    "quarantined": lambda c: c.quarantined(),
    "quarantined of an institution": lambda c: c.quarantined("necker"),
}
QUESTIONS = {
    "a study": lambda c: c.study(study_uid(3)),
    "a study of an institution": lambda c: c.study(study_uid(3), "necker"),
    "a package": lambda c: c.package(package_id(3)),
    "shards": lambda c: c.shards_of(package_id(3)),
    "instances": lambda c: c.find_instances(NECKER, [digest(n, 0) for n in range(9)]),
    "the position": lambda c: c.position(),
}


def recorded(catalog: Catalog) -> None:
    again = package(100, study=package(3).study)
    keep(
        catalog,
        again,
        package(101, supersedes=package_id(3), study=again.study, digests=((digest(3, 0), 0),)),
    )


def audited(catalog: Catalog) -> None:
    with catalog.transaction() as tx:
        tx.record_verified({package_id(2): [0, 1], package_id(4): [0]}, AT)
        tx.set_shards(package_id(2), [shards(COLD)[0]])
        tx.set_lost(package_id(2))
        tx.mark_missing("hot-a")


STEPS = {"recording": recorded, "auditing": audited, "leasing": lambda c: c.lease_work("x", "me", AT, DAY)}


def from_a_position(statement: str) -> int:
    """How many columns the place is compared by, from which a page goes on."""
    return statement.partition("WHERE")[2].count(" > ?")


@pytest.mark.parametrize("name", LISTS)
def test_lists_walk_an_index_and_sort_nothing(stocked: Catalog, name):
    for statement, details in plans(stocked, LISTS[name]):
        assert not any("TEMP B-TREE" in detail for detail in details), (statement, details)
        scanned = [detail for detail in details if detail.startswith("SCAN")]
        in_order_of_a_key = ["SCAN study"], ["SCAN quarantined"], ["SCAN package"]
        assert all("INDEX" in detail for detail in scanned) or scanned in in_order_of_a_key, (
            statement,
            details,
        )
        assert not scanned or "LIMIT" in statement, (statement, details)


@pytest.mark.parametrize("name", LISTS)
def test_a_page_begins_where_the_last_one_ended(stocked: Catalog, name):
    """Not at the first of all rows that are equal in the first column of the index."""
    for statement, details in plans(stocked, LISTS[name]):
        if "LIMIT" in statement and from_a_position(statement):
            begins = sum(detail.count(">?") for detail in details)
            assert begins == from_a_position(statement), (statement, details)


@pytest.mark.parametrize("name", QUESTIONS | STEPS)
def test_questions_and_steps_find_their_rows_by_an_index(stocked: Catalog, name):
    statements = list(plans(stocked, (QUESTIONS | STEPS)[name]))
    assert statements
    for statement, details in statements:
        scanned = {
            detail.split()[1] for detail in details if detail.startswith("SCAN") and "max(" not in statement
        }
        assert scanned <= {"institution", "volume"}, (statement, details)
