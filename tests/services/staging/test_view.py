"""What is staged is seen at once by all who ask, and leaves when another process has packed it."""

from __future__ import annotations

from retention.model.layout import StagingSpec
from retention.services.staging.closer import Closer
from retention.services.staging.view import staged_view
from tests.services.instances import OTHER_STUDY, STUDY, instance
from tests.services.staging.received import receiving, staged, take


def test_what_came_is_seen_and_what_another_packed_is_not(empty):
    with receiving(empty) as (stores, receiver):
        take(stores, receiver, instance(1))
        (one,) = staged(empty)
        view = staged_view(stores)
        assert staged_view(stores) is view
        before = view.of(one.institution)
        assert {study: len(found) for study, found in before.items()} == {STUDY: 1}
        take(stores, receiver, instance(2))
        take(stores, receiver, instance(1, study=OTHER_STUDY, patient="IPP-2"))
        assert {s: len(found) for s, found in view.of(one.institution).items()} == {STUDY: 2, OTHER_STUDY: 1}
        assert len(before[STUDY]) == 1
        first, second = view.of(one.institution)[STUDY]
        assert first.facts.study is second.facts.study  # known once
        with empty.opened() as others:
            Closer(others, StagingSpec()).close_study(one.institution, STUDY)
        assert list(view.of(one.institution)) == [OTHER_STUDY]
        take(stores, receiver, instance(3))
        assert {s: len(found) for s, found in view.of(one.institution).items()} == {STUDY: 1, OTHER_STUDY: 1}
