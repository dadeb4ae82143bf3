"""Institutions: made once, found by name, and two who make the first one at the same time make one."""

from __future__ import annotations

import pytest

from retention.catalog.records import InstitutionRecord
from retention.model.errors import UsageError, VolumeUnavailableError
from retention.model.layout import InstitutionSpec
from retention.services import commit, institutions
from retention.services.entries import institutions as entries
from tests.services.world import World


def test_an_institution_has_its_key_its_entry_and_its_row(empty: World):
    with empty.opened() as stores:
        made = institutions.add(stores, InstitutionSpec("necker", "Hôpital Necker", timezone="Europe/Paris"))
        entry = list(stores.journal.read())[-1].envelope
        assert (entry.action, entry.institution) == (entries.INSTITUTION_ADD, made.institution_id)
        key = stores.keyring.rotation.generations(made.institution_id)[-1]
        assert entry.data == {
            "name": "necker", "title": "Hôpital Necker", "entity": None, "timezone": "Europe/Paris", "ae_titles": [],
            "policies": [], "plan": "standard", "key": key.key_id,
        }  # fmt: skip
        assert institutions.find(stores, "necker") == made
        assert (made.spec.title, made.spec.timezone) == ("Hôpital Necker", "Europe/Paris")


def test_the_first_name_makes_the_institution_and_later_an_unknown_one_is_told(empty: World):
    with empty.opened() as stores:
        first = institutions.first_or_known(stores, "necker")
        assert institutions.first_or_known(stores, "necker") == first
        with pytest.raises(UsageError, match="there is no institution cochin") as refused:
            institutions.first_or_known(stores, "cochin")
        assert refused.value.hint == "known: necker"


def test_two_who_make_the_first_at_the_same_time_make_one(empty: World):
    """Both looked before either had made it: a second entry of that name would stop every start for ever."""
    with empty.opened() as one, empty.opened() as other:
        looked = other.catalog.institutions()
        first = institutions.first_or_known(one, "necker")
        assert looked == []
        with pytest.MonkeyPatch.context() as patch:
            answers = iter([list[InstitutionRecord]()])
            honest = type(other.catalog).institutions
            patch.setattr(
                type(other.catalog), "institutions", lambda self: next(answers, None) or honest(self)
            )
            assert institutions.first_or_known(other, "necker") == first
    with empty.opened() as stores:
        assert [record.spec.name for record in stores.catalog.institutions()] == ["necker"]


def test_a_name_is_taken_once(empty: World):
    with empty.opened() as stores:
        institutions.add(stores, InstitutionSpec("necker"))
        size = stores.journal.size
        with pytest.raises(UsageError, match="already"):
            institutions.add(stores, InstitutionSpec("necker"))
        assert stores.journal.size == size


@pytest.mark.parametrize("name", ["", "Necker", "nécker", "a b", "-a", "a" * 64, "a/b", "a\n"])
def test_what_cannot_be_a_name_is_refused_before_anything_is_made(empty: World, name: str):
    with empty.opened() as stores:
        size = stores.journal.size
        for call in (
            lambda: institutions.first_or_known(stores, name),
            lambda: institutions.add(stores, InstitutionSpec(name)),
        ):
            with pytest.raises(UsageError, match="cannot name an institution"):
                call()
        assert stores.journal.size == size
        assert stores.keyring.status().institutions == 0


def test_the_particulars_of_the_first_come_from_archive_yaml(empty: World):
    with empty.opened() as stores:
        stores.settings.institutions["necker"] = InstitutionSpec(
            "necker", "From the file", timezone="Europe/Paris"
        )
        assert institutions.first_or_known(stores, "necker").spec.title == "From the file"


def test_a_key_without_its_entry_does_no_harm(empty: World, monkeypatch: pytest.MonkeyPatch):
    def failing(*_: object) -> None:
        raise VolumeUnavailableError("too few replicas")

    with empty.opened() as stores:
        with monkeypatch.context() as patch:
            patch.setattr(commit, "append_locked", failing)
            with pytest.raises(VolumeUnavailableError):
                institutions.first_or_known(stores, "necker")
        assert stores.catalog.institutions() == []
        institutions.first_or_known(stores, "necker")
    assert empty.audit().findings == []
