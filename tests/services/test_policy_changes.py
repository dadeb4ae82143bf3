"""Policies are put in force whole or not at all, never change afterwards, and what loosens waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retention.archive import rebuild_archive_catalog
from retention.model.errors import PolicyError, RefusedError
from retention.policy.fates import Fate
from retention.policy.loading import read_policy_file
from retention.services import institutions, policy_changes, policy_diff
from retention.services.loosening import Consent
from retention.services.policies import library_text
from retention.services.progress import NoProgress
from retention.services.stores import Stores
from tests.services.deciding import CT, rows
from tests.services.world import World

NAME = "generic-20-years"


def changed(*changes: tuple[str, str], name: str = NAME) -> str:
    text = library_text(name)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


LONGER = (
    ("version: 1", "version: 2"),
    ("keep: P20Y", "keep: P30Y"),
    ("keep_until: 2032", "keep_until: 2042"),
)
SHORTER = (("version: 1", "version: 2"), ("keep: P20Y", "keep: P10Y"))


def apply(stores: Stores, *texts: str, consent: Consent | None = None) -> list[policy_changes.Applied]:
    files = [read_policy_file(text, f"{number}.yaml") for number, text in enumerate(texts)]
    proposals = policy_changes.propose(stores, files)
    return policy_changes.apply(stores, proposals, consent or Consent())


def in_force(stores: Stores) -> dict[str, int]:
    return {force.policy.name: force.policy.version for force in stores.catalog.policies.in_force()}


def list_policy(stores: Stores, *names: str) -> None:
    (record,) = stores.catalog.institutions()
    institutions.change(stores, replace(record.spec, policies=names))


def test_a_policy_is_in_force_and_binds_whom_lists_it(known: World):
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        assert in_force(stores) == {NAME: 1, "standard": 1}
        assert rows(stores)[CT]["reason"] == "no_policy"
        list_policy(stores, NAME)
        apply(stores)
        assert rows(stores)[CT]["keep_until_on"].isoformat() == "2046-11-01"


def test_the_same_again_changes_nothing(known: World):
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        size = stores.journal.size
        (again,) = apply(stores, library_text(NAME))
        assert again.proposal.is_unchanged
        assert stores.journal.size == size


def test_a_new_version_that_keeps_longer_is_in_force_at_once(known: World):
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        list_policy(stores, NAME)
        apply(stores, changed(*LONGER))
        assert in_force(stores)[NAME] == 2
        assert rows(stores)[CT]["keep_until_on"].isoformat() == "2056-11-01"


def test_what_was_in_force_goes_on_counting_for_what_it_counted_for(known: World):
    """Longest wins over versions: dropping to a shorter one, without retiring the old, changes no study."""
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        list_policy(stores, NAME)
        stricter = changed(("version: 1", "version: 2"), ("floor: {until_age: 28}", "floor: {until_age: 99}"))
        apply(stores, stricter)
        assert rows(stores)[CT]["keep_until_on"].isoformat() == "2059-03-01"


def test_a_loosening_is_refused_and_every_part_of_it_told(known: World):
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        size = stores.journal.size
        with pytest.raises(RefusedError, match="keep: P20Y becomes P10Y") as refused:
            apply(stores, changed(*SHORTER))
        assert "--allow-shorten" in str(refused.value.hint)
        with pytest.raises(RefusedError, match="no reason"):
            apply(stores, changed(*SHORTER), consent=Consent(may_shorten=True))
        assert stores.journal.size == size
        assert in_force(stores)[NAME] == 1


def test_with_a_mistake_anywhere_nothing_is_put_in_force(known: World):
    with known.opened() as stores:
        size = stores.journal.size
        with pytest.raises(PolicyError) as refused:
            apply(stores, library_text(NAME), "kind: RetentionPolicy\nkeep: 20\n")
        assert "1.yaml" in refused.value.message
        assert stores.journal.size == size


def test_a_tier_the_archive_does_not_have_is_a_mistake(known: World):
    with known.opened() as stores, pytest.raises(PolicyError, match="attic"):
        apply(stores, changed(("{tier: cold, for: P5Y}", "{tier: attic, for: P5Y}"), name="standard"))


def test_a_version_says_one_thing_for_ever(known: World):
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        with pytest.raises(PolicyError, match="version 1 of generic-20-years says something else already"):
            apply(stores, changed(("keep: P20Y", "keep: P30Y"), ("keep_until: 2032", "keep_until: 2042")))


def test_one_version_of_a_name_at_a_time(known: World):
    with known.opened() as stores, pytest.raises(PolicyError, match="more than one place"):
        apply(stores, library_text(NAME), changed(*LONGER))


def test_the_files_of_what_is_in_force_lie_in_the_archives_folder(known: World):
    path = known.root / "policies" / f"{NAME}.yaml"
    path.unlink()
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        assert path.read_text() == library_text(NAME)
        apply(stores, changed(*LONGER))
    assert "version: 2" in path.read_text()


def test_a_rebuilt_catalog_knows_every_version_and_whom_it_bound(known: World):
    def told() -> tuple[object, ...]:
        with known.opened() as stores:
            policies = stores.catalog.policies
            return policies.history(), policies.enactments(), rows(stores), stores.catalog.institutions()

    with known.opened() as stores:
        apply(stores, library_text(NAME))
        list_policy(stores, NAME)
        apply(stores, changed(*LONGER))
    before = told()
    for path in known.root.glob("catalog.db*"):
        path.unlink()
    rebuild_archive_catalog(known.root, NoProgress())
    assert told() == before


def diff(stores: Stores, text: str, institution: str | None = None) -> policy_diff.DiffReport:
    proposals = policy_changes.propose(stores, [read_policy_file(text, "new.yaml")])
    return policy_diff.diff(stores, proposals, NoProgress(), as_if_listed_by=institution)


def test_a_diff_counts_studies_and_bytes_and_writes_nothing(known: World):
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        list_policy(stores, NAME)
        size, before = stores.journal.size, rows(stores)
        held = sum(row["bytes_received"] for row in before.values())
        later = diff(stores, changed(*LONGER))
        assert (later.tally.studies[Fate.LATER], later.tally.size_bytes[Fate.LATER]) == (2, held)
        earlier = diff(stores, changed(*SHORTER))
        assert earlier.tally.studies[Fate.EARLIER] == 2
        assert diff(stores, library_text(NAME)).tally.studies.total() == 0
        assert (stores.journal.size, rows(stores)) == (size, before)


def test_a_diff_as_if_somebody_listed_it(known: World):
    with known.opened() as stores:
        assert diff(stores, library_text(NAME)).institutions == ()
        report = diff(stores, library_text(NAME), "necker")
        assert report.tally.transitions == {("PERMANENT", "DETERMINED"): 2}
        assert report.tally.studies[Fate.EARLIER] == 2


def test_a_diff_of_a_plan_counts_what_would_move(known: World):
    with known.opened() as stores:
        text = changed(
            ("name: standard", "name: standard\nversion: 2"),
            ("- {tier: hot, for: P3Y, from: study_date}", "- {tier: hot, for: P9Y, from: study_date}"),
            name="standard",
        )
        report = diff(stores, text)
        assert (report.moved_studies, report.tally.studies[Fate.SAME]) == (2, 2)


def test_pages_of_patients_miss_nobody(known: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(policy_diff, "PAGE", 1)
    with known.opened() as stores:
        assert diff(stores, library_text(NAME), "necker").tally.studies.total() == 2


def test_the_first_policy_is_a_loosening_where_records_are_held_and_may_be_destroyed(known: World):
    with known.opened() as stores:
        apply(stores, library_text("fr-csp-r1112-7"))
        with pytest.raises(RefusedError, match="policies: nothing becomes fr-csp-r1112-7"):
            list_policy(stores, "fr-csp-r1112-7")


def test_taking_a_policy_away_is_a_loosening(known: World):
    with known.opened() as stores:
        apply(stores, library_text(NAME))
        list_policy(stores, NAME)
        with pytest.raises(RefusedError, match="generic-20-years becomes nothing"):
            list_policy(stores)
