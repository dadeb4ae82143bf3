"""Names in the journal: keyed digests that say nothing without the key, and one form of a person's name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.archive import open_archive
from retention.journal.envelope import NewEntry, write_entries
from retention.model.errors import UsageError
from retention.model.identifiers import InstitutionId
from retention.services import commit, events
from retention.services.events import Names, list_of, number_of, optional_text_of, person_name, text_of
from tests.services.test_commit import AT, stored
from tests.services.world import World

NAMES = Names(bytes(range(32)))
NECKER, COCHIN = InstitutionId("1" * 32), InstitutionId("2" * 32)


def test_digests_differ_by_institution_kind_and_key():
    uid = "1.2.3"
    found = {
        NAMES.instance(NECKER, uid),
        NAMES.instance(COCHIN, uid),
        Names(bytes(32)).instance(NECKER, uid),
        NAMES.content(NECKER, b"1.2.3"),
        bytes.fromhex(NAMES.study(NECKER, uid)),
        bytes.fromhex(NAMES.patient(NECKER, uid, None)),
        bytes.fromhex(NAMES.patient(NECKER, uid, "HOSP")),
    }
    assert len(found) == 7
    assert len(NAMES.instance(NECKER, uid)) == 16


def test_any_text_may_be_digested():
    assert NAMES.patient(NECKER, "\udcff\ud800"[:1], None) != NAMES.patient(NECKER, "", None)


def test_the_key_is_never_shown():
    assert repr(NAMES).find("\\x01") == -1


@pytest.mark.parametrize("text", ["Jose\u0301 Marti", "  Jos\u00e9\tMarti ", "Jos\u00e9 Marti"])
def test_a_person_is_the_same_on_every_keyboard(text: str):
    assert person_name(text) == "Jos\u00e9 Marti"


@pytest.mark.parametrize("text", ["", "   ", "a\x07b", "\x1b[31m", "\udcff", "x" * 201, "\u202eevil"])
def test_what_names_nobody_is_refused(text: str):
    with pytest.raises(UsageError, match="does not name a person"):
        person_name(text)


@given(st.text(min_size=1, max_size=200))
def test_whoever_acts_can_stand_in_the_journal(text: str):
    try:
        actor = NAMES.person(person_name(text))
    except UsageError:
        return
    assert write_entries([NewEntry(AT, actor, "x")], 0, bytes(16))
    assert text.strip() not in actor or len(text.strip()) < 8


def test_a_person_is_named_in_what_he_does_and_the_key_is_not_needed_to_read(held: World):
    (held.root / "secrets" / "root.key").rename(held.root / "key")
    stores = open_archive(held.root, person=" Jeanne ")
    assert len(list(stores.catalog.studies())) == 2
    stores.close()
    (held.root / "key").rename(held.root / "secrets" / "root.key")
    with held.opened(person=" Jeanne ") as stores:
        assert stores.person == "Jeanne"
        commit.append(stores, [NewEntry(AT, stores.actor, events.RECOVERY_STORED)])
        assert list(stores.journal.read())[-1].envelope.actor == stores.actor
        assert stores.actor == Names(stores.keyring.index_key.secret).person("Jeanne")


def test_a_name_that_is_none_is_refused_when_the_archive_is_opened(held: World):
    with pytest.raises(UsageError):
        open_archive(held.root, person=" ")


def test_what_an_entry_must_say_is_asked_for_by_its_kind():
    data = dict(stored().data) | {"n": 5, "flag": True, "l": [1], "none": None}
    assert (text_of(data, "recovery_key"), number_of(data, "n"), list_of(data, "l")) == ("1", 5, [1])
    assert (optional_text_of(data, "none"), optional_text_of(data, "absent")) == (None, None)
    for ask, name in (
        (text_of, "n"),
        (number_of, "flag"),
        (number_of, "recovery_key"),
        (list_of, "n"),
        (optional_text_of, "n"),
    ):
        with pytest.raises(TypeError):
            ask(data, name)
    with pytest.raises(KeyError):
        text_of(data, "absent")
