"""archive.yaml counts when it was applied: nobody weakens an archive by editing a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from retention.archive import rebuild_archive_catalog
from retention.model.errors import RefusedError, SettingsError
from retention.services import config
from retention.services.entries.config import CONFIG_APPLY, CONFIG_SEEN
from retention.services.loosening import NO_CONSENT, Consent
from retention.services.progress import NoProgress
from tests.services.world import World


def edit(world: World, old: str, new: str) -> Path:
    path = world.root / "archive.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def actions(world: World) -> list[str]:
    with world.opened(to_write=False) as stores:
        return [entry.envelope.action for entry in stores.journal.read() if "config" in entry.envelope.action]


WEAKER = ("{data: 4, parity: 2}", "{data: 5, parity: 1}")
STRONGER = ("{data: 4, parity: 2}", "{data: 3, parity: 3}")


def test_what_a_new_archive_has_is_in_force(empty: World):
    with empty.opened() as stores:
        state = config.look(stores)
    assert state.is_applied
    assert actions(empty) == [CONFIG_APPLY]


def test_an_edit_that_protects_more_counts_at_once_and_is_in_the_journal_with_the_next_change(empty: World):
    edit(empty, *STRONGER)
    with empty.opened(to_write=False) as stores:
        assert str(stores.settings.tiers["cold"].protection) == "3+3"
        assert not stores.is_config_waiting
    with empty.opened() as stores:
        assert config.look(stores).is_applied
    assert actions(empty) == [CONFIG_APPLY, CONFIG_APPLY]


def test_an_edit_that_protects_less_does_not_count_and_was_seen_once(empty: World):
    edit(empty, *WEAKER)
    for _ in range(2):
        with empty.opened() as stores:
            assert str(stores.settings.tiers["cold"].protection) == "4+2"
            assert stores.is_config_waiting
    assert actions(empty) == [CONFIG_APPLY, CONFIG_SEEN]


def test_it_needs_to_be_asked_for_with_a_reason_and_a_second_person(empty: World):
    edit(empty, *WEAKER)
    with empty.opened() as stores:
        with pytest.raises(RefusedError, match=r"cold.protection: 4\+2 becomes 5\+1") as refused:
            config.apply(stores, NO_CONSENT)
        assert "--allow-shorten" in str(refused.value.hint)
        with pytest.raises(RefusedError, match="no reason"):
            config.apply(stores, Consent(may_shorten=True))
    assert actions(empty) == [CONFIG_APPLY, CONFIG_SEEN]


def test_a_file_with_faults_is_told_and_nothing_changes(empty: World):
    path = edit(empty, "availability: ONLINE", "avalability: ONLINE")
    with pytest.raises(SettingsError, match="did you mean `availability`"), empty.opened():
        pass
    path.write_text(path.read_text().replace("avalability", "availability"))
    assert actions(empty) == [CONFIG_APPLY]


def test_institutions_in_the_file_become_facts_when_it_is_applied(empty: World):
    edit(empty, "institutions: {}", "institutions:\n  necker: {title: Necker, ae_titles: [NECKER_1]}")
    with empty.opened() as stores:
        assert stores.catalog.institutions() == []
        config.apply(stores, NO_CONSENT)
        (record,) = stores.catalog.institutions()
        assert (record.spec.title, record.spec.ae_titles) == ("Necker", ("NECKER_1",))


def test_particulars_of_an_institution_are_changed_by_an_edit_that_is_applied(held: World):
    edit(held, "institutions: {}", "institutions:\n  necker: {title: Necker, plan: standard}")
    with held.opened() as stores:
        state, approval = config.apply(stores, NO_CONSENT)
        assert approval is None
        assert [change.where for change in state.changes] == ["institutions.necker.title"]
        (record,) = stores.catalog.institutions()
        assert record.spec.title == "Necker"
        assert config.look(stores).is_applied


def test_a_rebuilt_catalog_knows_what_is_in_force(empty: World):
    edit(empty, *WEAKER)
    with empty.opened():
        pass
    for path in empty.root.glob("catalog.db*"):
        path.unlink()
    rebuild_archive_catalog(empty.root, NoProgress())
    with empty.opened() as stores:
        assert str(stores.settings.tiers["cold"].protection) == "4+2"


@pytest.mark.parametrize(
    ("old", "new", "loosens"),
    [
        ("protection: {copies: 2}", "protection: {copies: 3}", False),
        ("packing: fast", "packing: plain", False),
        ("protection: {copies: 2}", "protection: {copies: 1}", True),
        ("name: test", "name: other", False),
        ("institutions:", "schedule: {audit: PT12H, clean: never}\ninstitutions:", False),
        ("institutions:", "schedule: {audit: never}\ninstitutions:", True),
        ("institutions:", "schedule: {seal: never}\ninstitutions:", True),
        ("institutions:", "audit: {full: P1Y}\ninstitutions:", True),
        ("institutions:", "audit: {presence: PT8760H}\ninstitutions:", True),
        ("institutions:", "audit: {repair: {stop_at: 12.5%}}\ninstitutions:", True),
        ("institutions:", "audit: {full: P90D, rate: 50MiB, repair: {stop_at: 5%}}\ninstitutions:", False),
    ],
)
def test_what_loosens_and_what_does_not(empty: World, old: str, new: str, loosens: bool):
    path = empty.root / "archive.yaml"
    text = path.read_text().replace("[hot-a, hot-b]", "[hot-a, hot-b, spare]")
    path.write_text(text.replace("volumes:\n", 'volumes:\n  spare: {url: "file:spare", domain: disk-1}\n', 1))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with empty.opened(to_write=False) as stores:
        assert stores.is_config_waiting == loosens


def test_what_is_shown_says_where_it_comes_from(empty: World):
    with empty.opened() as stores:
        values = {key: (value, is_written) for key, value, is_written in config.shown(stores).values}
    assert values["tiers.hot.protection.copies"] == ("2", True)
    assert values["staging.quiet"] == ("PT10M", False)
