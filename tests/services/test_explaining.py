"""Explaining one study: decided anew from what the engine sees, at any day, without writing anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from retention.model.errors import NotFoundError
from retention.model.states import StudyState
from retention.policy.loading import read_policy_file
from retention.services import institutions, policy_changes
from retention.services.explaining import explain_study
from retention.services.policies import library_text
from tests.services.deciding import CT, rows

NAME = "generic-20-years"
REVIEWED = library_text(NAME).replace("final_action: keep", "final_action: review").partition("examples:")[0]


@pytest.fixture
def stores(known):
    with known.opened() as opened:
        proposals = policy_changes.propose(opened, [read_policy_file(REVIEWED, "p.yaml")])
        policy_changes.apply(opened, proposals)
        yield opened


def bind(stores) -> None:
    """As an administrator's change that was approved: the question is another test's."""
    (record,) = stores.catalog.institutions()
    spec = replace(record.spec, policies=(NAME,))
    with stores.catalog.transaction() as transaction:
        transaction.record_institution(replace(record, spec=spec))
        transaction.policies.list_for(record.institution_id, stores.clock.now(), retires=False)
    assert institutions.find(stores, "necker").spec.policies == (NAME,)


def told(stores, at: date):
    explained = explain_study(stores, CT, at=at)
    action = explained.next_action
    return (
        explained.decision.state,
        explained.decision.keep_until,
        explained.tier_now,
        None if action is None else (action.sentence.en, action.on),
    )


def test_without_a_policy_only_the_plan_speaks(stores):
    move = ("moves to cold on 2029-11-01", date(2029, 11, 1))
    assert told(stores, date(2026, 11, 24)) == (StudyState.PERMANENT, None, "hot", move)


@pytest.mark.parametrize(
    ("at", "action"),
    [
        (date(2026, 11, 24), ("moves to cold on 2029-11-01", date(2029, 11, 1))),
        (
            date(2030, 1, 1),
            ("moves to cold on 2029-11-01", date(2029, 11, 1)),
        ),  # overdue: it still lies on hot
        (date(2036, 11, 1), ("moves to glacier on 2036-11-01", date(2036, 11, 1))),
    ],
)
def test_what_comes_next_is_the_first_thing_time_brings(stores, at, action):
    bind(stores)
    assert told(stores, at) == (StudyState.DETERMINED, date(2046, 11, 1), "hot", action)


def test_explaining_writes_nothing_and_needs_no_fresh_decision(stores):
    bind(stores)
    before, size = rows(stores), stores.journal.size
    assert told(stores, date(2050, 1, 1))[0] is StudyState.DETERMINED
    assert (rows(stores), stores.journal.size) == (before, size)


def test_a_study_that_is_not_held_is_not_found(stores):
    with pytest.raises(NotFoundError):
        explain_study(stores, "1.2.3")
