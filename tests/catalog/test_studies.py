"""Lists of studies: what a filter lets through, in which order, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.catalog import paging
from retention.catalog.catalog import Catalog
from retention.catalog.records import ShardRecord, ShardState, StudyFilter
from retention.model.errors import NotFoundError, UsageError
from retention.model.facts import PatientFacts
from retention.model.findings import Health
from retention.model.states import StudyState
from tests.catalog import making
from tests.catalog.making import (
    AT,
    COCHIN,
    COLD,
    DAY,
    HOT,
    NECKER,
    keep,
    package,
    package_id,
    scratch,
    shards,
    study,
    study_uid,
)

TODAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 3)


def uids(catalog: Catalog, **wanted) -> list[str]:
    return [line.study_uid for line in catalog.studies(StudyFilter(**wanted))]


def decide(
    catalog: Catalog, number: int, state: StudyState, keep_until_on: date | None, name: str = "necker"
) -> None:
    with catalog.transaction() as tx:
        making.decide(tx, study_uid(number), COCHIN if name == "cochin" else NECKER, state, keep_until_on)


def test_an_empty_catalog_lists_nothing(empty: Catalog):
    assert uids(empty) == []


def test_studies_are_listed_in_order_of_arrival(catalog: Catalog):
    arrived = [5, 1, 9, 3, 7, 2, 8]
    for number in arrived:
        keep(catalog, package(number))
    assert uids(catalog) == [study_uid(number) for number in arrived]


def test_one_line_says_what_the_interface_promises(catalog: Catalog):
    hot = package(1, protection=HOT, instances=2)
    later = replace(package(2, study=study(1), instances=3), shards=shards(COLD, AT - DAY))
    keep(catalog, hot, later)
    decide(catalog, 1, StudyState.DETERMINED, TODAY)
    (line,) = catalog.studies()
    assert line.study_uid == study_uid(1)
    assert (line.institution, line.institution_id) == ("necker", hot.institution_id)
    assert line.tiers == ("cold", "hot")
    assert (line.instances, line.bytes_received) == (5, 2500)
    assert (line.state, line.keep_until_on, line.holds) == (StudyState.DETERMINED, TODAY, 0)
    assert (line.health, line.received_at, line.last_verified_at) == (Health.SOUND, AT, AT - DAY)


def test_a_new_study_is_permanent(catalog: Catalog):
    keep(catalog, package(1))
    (line,) = catalog.studies()
    assert (line.state, line.keep_until_on) == (StudyState.PERMANENT, None)


def test_a_study_is_as_healthy_as_its_worst_package(catalog: Catalog):
    debt = ShardRecord(1, None, 1000, state=ShardState.UNPLACED)
    keep(catalog, package(1), package(2, study=study(1), protection=HOT, shards=(shards(HOT)[0], debt)))

    def health() -> Health:
        (line,) = catalog.studies()
        assert line.health is catalog.study(study_uid(1)).summary.health
        return line.health

    assert health() is Health.DEGRADED
    with catalog.transaction() as tx:
        tx.set_shards(package_id(1), [replace(shards(COLD)[3], state=ShardState.CORRUPT)])
    assert health() is Health.DAMAGED
    with catalog.transaction() as tx:
        tx.set_lost(package_id(2))
    assert health() is Health.LOST


@pytest.fixture
def varied(catalog: Catalog) -> Catalog:
    """Twelve studies: 0 to 5 at necker, 6 to 11 at cochin; even ones hot; every third of patient P; some due."""
    for number in range(12):
        owner = {"institution_id": COCHIN} if number >= 6 else {}
        patient = replace(study(number), patient=PatientFacts("P")) if number % 3 == 0 else study(number)
        keep(catalog, package(number, study=patient, protection=COLD if number % 2 else HOT, **owner))
    for number in (2, 3, 7, 8, 9):
        name = "cochin" if number >= 6 else "necker"
        decide(catalog, number, StudyState.DETERMINED, TODAY - timedelta(days=number), name)
    decide(catalog, 4, StudyState.HELD, None)
    return catalog


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, range(12)),
        ({"institution": "necker"}, range(6)),
        ({"institution": "cochin"}, range(6, 12)),
        ({"tier": "hot"}, range(0, 12, 2)),
        ({"tier": "glacier"}, ()),
        ({"state": StudyState.DETERMINED}, (2, 3, 7, 8, 9)),
        ({"state": StudyState.HELD}, (4,)),
        ({"state": StudyState.PERMANENT}, (0, 1, 5, 6, 10, 11)),
        ({"patient": "P"}, (0, 3, 6, 9)),
        ({"patient": "nobody"}, ()),
        ({"due_before": TODAY}, (9, 8, 7, 3, 2)),
        ({"due_before": TODAY - timedelta(days=7)}, (9, 8)),
        ({"due_before": date(1900, 1, 1)}, ()),
        ({"institution": "necker", "tier": "cold"}, (1, 3, 5)),
        ({"institution": "cochin", "due_before": TODAY}, (9, 8, 7)),
        ({"tier": "hot", "due_before": TODAY}, (8, 2)),
        ({"patient": "P", "state": StudyState.DETERMINED}, (3, 9)),
        ({"institution": "necker", "state": StudyState.PERMANENT}, (0, 1, 5)),
        ({"institution": "necker", "tier": "cold", "state": StudyState.DETERMINED, "patient": "P"}, (3,)),
    ],
)
def test_a_filter_lets_through_what_it_names(varied: Catalog, wanted, numbers):
    assert uids(varied, **wanted) == [study_uid(number) for number in numbers]


def pages(catalog: Catalog, limit: int, **wanted) -> Iterator[list[str]]:
    after = None
    while page := uids(catalog, limit=limit, after=after, **wanted):
        assert len(page) <= limit
        yield page
        after = page[-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 50])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"institution": "cochin"},
        {"tier": "cold"},
        {"state": StudyState.DETERMINED},
        {"patient": "P"},
        {"due_before": TODAY},
        {"due_before": TODAY, "tier": "hot"},
    ],
)
def test_pages_put_together_are_the_list(varied: Catalog, limit, wanted):
    assert [uid for page in pages(varied, limit, **wanted) for uid in page] == uids(varied, **wanted)


def test_studies_due_on_one_day_are_each_listed_once(catalog: Catalog):
    for number in range(8):
        keep(catalog, package(number))
        decide(catalog, number, StudyState.DETERMINED, TODAY)
    wanted = {"due_before": TODAY + timedelta(days=1)}
    assert list(pages(catalog, 3, **wanted)) == [
        [study_uid(number) for number in range(start, min(8, start + 3))] for start in (0, 3, 6)
    ]


def test_a_study_at_two_institutions_is_named_with_its_institution(catalog: Catalog):
    keep(catalog, package(1), package(2, study=study(1), institution_id=COCHIN), package(3))
    with pytest.raises(UsageError, match="cochin, necker"):
        uids(catalog, after=study_uid(1))
    assert uids(catalog, after=f"necker/{study_uid(1)}") == [study_uid(1), study_uid(3)]
    assert uids(catalog, after=f"cochin/{study_uid(1)}") == [study_uid(3)]
    assert uids(catalog, after=study_uid(1), institution="necker") == [study_uid(3)]
    with pytest.raises(UsageError) as caught:
        catalog.study(study_uid(1))
    assert caught.value.context["institutions"] == ["cochin", "necker"]
    assert catalog.study(study_uid(1), "cochin").summary.institution == "cochin"


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"institution": "neker"}, UsageError),
        ({"limit": 0}, UsageError),
        ({"after": "1.9.9"}, NotFoundError),
        ({"after": f"nowhere/{study_uid(1)}"}, UsageError),
        ({"after": study_uid(1), "due_before": TODAY}, UsageError),
    ],
)
def test_a_filter_that_names_nothing_is_an_error_at_once(varied: Catalog, wanted, error):
    with pytest.raises(error):
        varied.studies(StudyFilter(**wanted))


def test_an_unknown_study_is_not_found(catalog: Catalog):
    with pytest.raises(NotFoundError):
        catalog.study("1.9.9")
    with pytest.raises(NotFoundError):
        catalog.packages_of("1.9.9")


def test_packages_of_a_study_are_those_in_force(catalog: Catalog):
    keep(catalog, package(1), package(2, study=study(1)), package(3))
    assert [held.package_id for held in catalog.packages_of(study_uid(1))] == [package_id(1), package_id(2)]


FACTS = st.tuples(
    st.booleans(), st.booleans(), st.sampled_from(list(StudyState)), st.none() | st.integers(1, 9)
)


@settings(max_examples=25)
@given(st.lists(FACTS, max_size=12), st.data())
def test_every_filter_agrees_with_asking_each_study(facts, data):
    wanted = StudyFilter(
        institution=data.draw(st.sampled_from([None, "necker", "cochin"])),
        tier=data.draw(st.sampled_from([None, "hot", "cold"])),
        state=data.draw(st.sampled_from([None, *StudyState])),
        patient=data.draw(st.sampled_from([None, "P0", "P1"])),
        due_before=data.draw(st.sampled_from([None, TODAY + timedelta(days=5)])),
        limit=data.draw(st.sampled_from([None, 2])),
    )
    with scratch() as catalog:
        expected = []
        for number, (at_cochin, is_hot, state, days) in enumerate(facts):
            patient = PatientFacts(f"P{number % 2}")
            owner = {"institution_id": COCHIN} if at_cochin else {}
            one = package(
                number, protection=HOT if is_hot else COLD, study=study(number, patient=patient), **owner
            )
            keep(catalog, one)
            name = "cochin" if at_cochin else "necker"
            due = None if days is None else TODAY + timedelta(days=days)
            decide(catalog, number, state, due, name)
            if (
                wanted.institution in (None, name)
                and wanted.tier in (None, one.tier)
                and wanted.state in (None, state)
                and wanted.patient in (None, patient.patient_id)
                and (wanted.due_before is None or (due is not None and due < wanted.due_before))
            ):
                expected.append((due or TODAY, number))
        if wanted.due_before is not None:
            expected.sort()
        assert [line.study_uid for line in catalog.studies(wanted)] == [
            study_uid(number) for _, number in expected[: wanted.limit]
        ]
