"""Attribute matching of PS3.4 C.2.2.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.matching import Kind, all_accept, match_of


@pytest.mark.parametrize(
    ("kind", "key", "value", "is_match"),
    [
        (Kind.TEXT, "IPP-1", "IPP-1", True),
        (Kind.TEXT, "ipp-1", "IPP-1", False),
        (Kind.TEXT, "IPP*", "IPP-1", True),
        (Kind.TEXT, "IPP-?", "IPP-12", False),
        (Kind.TEXT, "A.C", "ABC", False),
        (Kind.TEXT, "IPP-1", None, False),
        (Kind.NAME, "doe^jane", "DOE^JANE", True),
        (Kind.NAME, "DOE^JANE^^", "DOE^JANE", True),
        (Kind.NAME, "D?E*", "Doe^Jane", True),
        (Kind.NAME, "JANE", "DOE^JANE", False),
        (Kind.UID, "1.2\\1.3", "1.3", True),
        (Kind.UID, "1.2\\1.3", "1.30", False),
        (Kind.DATE, "20260101", "20260101", True),
        (Kind.DATE, "20260101-20260131", "20260115", True),
        (Kind.DATE, "20260101-20260131", "20260201", False),
        (Kind.DATE, "-20260131", "20251231", True),
        (Kind.DATE, "20260101-", "20251231", False),
        (Kind.DATE, "2026.01.01", "20260101", True),
        (Kind.TIME, "10-11", "113059", True),
        (Kind.TIME, "10-11", "120000", False),
        (Kind.TIME, "1015", "101530.5", True),
    ],
)
def test_a_key_matches_as_the_standard_says(kind, key, value, is_match):
    match = match_of(kind, key)
    assert match is not None
    assert match.accepts(value) is is_match


@pytest.mark.parametrize(
    ("kind", "key"), [(Kind.TEXT, ""), (Kind.TEXT, "*"), (Kind.NAME, "**"), (Kind.UID, " ")]
)
def test_a_key_without_a_value_matches_everything(kind, key):
    assert match_of(kind, key) is None


def test_all_keys_count_of_those_that_have_a_value():
    match = match_of(Kind.TEXT, "CT")
    assert match is not None
    assert all_accept({"modality": match, "other": match}, {"modality": "CT"})
    assert not all_accept({"modality": match}, {"modality": "MR"})


def accepts_fuzzily(asked: str, name: str | None) -> bool:
    match = match_of(Kind.NAME, asked, is_fuzzy=True)
    assert match is not None
    return match.accepts(name)


@pytest.mark.parametrize(
    ("asked", "name", "is_match"),
    [
        ("doe", "DOE^JANE", True), ("jane doe", "DOE^JANE", True), ("Ja", "DOE^JANE", True),
        ("müller", "MULLER^HANS", True), ("muller", "Müller^Hans", True), ("Lefebvre", "LEFEVRE^ANNE", True),
        ("Jnae", "DOE^JANE", True), ("Janee", "DOE^JANE", True), ("Jany", "DOE^JANE", True), ("ane", "DOE^JANE", False),
        ("dae", "DOE^JANE", False), ("jane smith", "DOE^JANE", False), ("Jenna", "DOE^JANE", False),
        ("山田", "Yamada^Tarou=山田^太郎=やまだ^たろう", True), ("doe", None, False), ("O'Brien", "OBRIEN^PAT", True),
    ],
)  # fmt: skip
def test_fuzzy_names(asked, name, is_match):
    assert accepts_fuzzily(asked, name) is is_match


@given(
    name=st.text("ABCDEFGH", min_size=4, max_size=8), place=st.integers(0, 7), letter=st.sampled_from("XYZ")
)
def test_one_wrong_letter_is_forgiven(name, place, letter):
    place %= len(name)
    assert accepts_fuzzily(name[:place] + letter + name[place + 1 :], f"{name}^JANE")
    assert accepts_fuzzily(name[:place] + letter + name[place:], name)


def test_a_fuzzy_name_of_nothing_but_signs_is_no_fuzzy_name():
    assert match_of(Kind.NAME, "*", is_fuzzy=True) is None
    assert accepts_fuzzily("^", "^")
