"""A loosening is in force when a second person has approved it, and retires what it replaces; not a moment before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retention.archive import rebuild_archive_catalog
from retention.model.errors import ApprovalRefusedError, RefusedError
from retention.policy.loading import read_policy_file
from retention.services import approvals, config, decisions, institutions, policy_changes
from retention.services.handlers import handler_of
from retention.services.loosening import Consent
from retention.services.policies import library_text
from retention.services.progress import NoProgress
from tests.services.acting import Cast
from tests.services.deciding import CT, rows
from tests.services.test_policy_changes import SHORTER, changed

NAME = "generic-20-years"
MEANT = Consent(may_shorten=True, reason="the law says ten")


@pytest.fixture
def cast(known):
    made = Cast(known)
    made.register("Anne", "administrator")
    made.register("Bob", "archivist", by="Anne")
    with made.acting("Anne") as stores:
        apply(stores, library_text(NAME))
        (record,) = stores.catalog.institutions()
        institutions.change(stores, replace(record.spec, policies=(NAME,)))
        decisions.refresh(stores)
    return made


def apply(stores, text):
    proposals = policy_changes.propose(stores, [read_policy_file(text, "new.yaml")])
    (applied,) = policy_changes.apply(stores, proposals, MEANT)
    return applied.approval


def approve(cast, who, request):
    with cast.acting(who) as stores:
        approvals.approve(stores, request, handler_of)
        decisions.refresh(stores)


def ends(cast):
    with cast.acting("Anne") as stores:
        return str(rows(stores)[CT]["keep_until_on"])


def test_a_shorter_version_counts_from_the_second_signature_on(cast):
    with cast.acting("Bob") as stores:
        request = apply(stores, changed(*SHORTER))
    assert ends(cast) == "2046-11-01"
    with pytest.raises(ApprovalRefusedError):
        approve(cast, "Bob", request)
    assert ends(cast) == "2046-11-01"
    approve(cast, "Anne", request)
    assert ends(cast) == "2036-11-01"
    with cast.acting("Anne") as stores:
        first, second = stores.catalog.policies.history(NAME)
        assert (first.is_retired, second.until_at) == (True, None)


def test_what_was_asked_for_on_another_version_is_refused(cast):
    with cast.acting("Bob") as stores:
        request = apply(stores, changed(*SHORTER))
        apply(stores, changed(("version: 1", "version: 3"), ("until_age: 28", "until_age: 30")))
    with pytest.raises(RefusedError, match="another version"):
        approve(cast, "Anne", request)


def test_taking_a_policy_away_is_approved_and_then_nothing_ends(cast):
    with cast.acting("Bob") as stores:
        (record,) = stores.catalog.institutions()
        request = institutions.change(stores, replace(record.spec, policies=()), MEANT)
    assert ends(cast) == "2046-11-01"
    approve(cast, "Anne", request)
    assert ends(cast) == "None"


def test_an_edit_of_the_settings_is_approved_as_it_lies_there(cast):
    path = cast.world.root / "archive.yaml"
    weaker = path.read_text().replace("{data: 4, parity: 2}", "{data: 5, parity: 1}")
    path.write_text(weaker)
    with cast.acting("Anne") as stores:
        _, request = config.apply(stores, MEANT)
    path.write_text(weaker + "# something else\n")
    with pytest.raises(RefusedError, match="has changed since"):
        approve(cast, "Bob", request)
    path.write_text(weaker)
    approve(cast, "Bob", request)
    with cast.acting("Bob") as stores:
        assert str(stores.settings.tiers["cold"].protection) == "5+1"
        assert config.look(stores).is_applied


def test_a_rebuild_knows_what_was_retired(cast):
    with cast.acting("Bob") as stores:
        request = apply(stores, changed(*SHORTER))
    approve(cast, "Anne", request)
    root = cast.world.root
    for path in root.glob("catalog.db*"):
        path.unlink()
    rebuild_archive_catalog(root, NoProgress())
    assert ends(cast) == "2036-11-01"
