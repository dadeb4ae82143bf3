"""Identifiers say nothing about what they name, and a UID is recognised leniently but never as anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.identifiers import is_id, is_name, is_uid, new_id


def test_a_new_id_is_32_lowercase_hexadecimal_digits_and_never_the_same():
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(is_id(each) for each in made)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 32 + "\n"])
def test_what_is_not_32_lowercase_hexadecimal_digits_is_no_id(text):
    assert not is_id(text)


@pytest.mark.parametrize("text", ["1.2.840.10008.1.2", "1", "01.02", "0" * 64, "a" * 32, "0f" * 32])
def test_digits_and_dots_are_a_uid_and_so_is_a_digest_in_its_place(text):
    assert is_uid(text)


@pytest.mark.parametrize(
    "text", ["", "1" * 65, "1.2.3/..", "../1", "1.2\0", "1.2 ", "1.2\n", "1.2.ABC", "a" * 31, "A" * 32, "é"]
)
def test_anything_else_is_not(text):
    assert not is_uid(text)


@given(st.text())
def test_a_uid_never_holds_what_a_path_could_use(text):
    if is_uid(text):
        assert len(text) <= 64
        assert not set(text) & set("/\\\0\n ")


@pytest.mark.parametrize("text", ["necker", "a", "hot-a", "cold-1", "a" * 63])
def test_a_name_is_lowercase_letters_digits_and_inner_hyphens(text):
    assert is_name(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a.b", "a" * 64, "a/b", "é"])
def test_other_texts_are_no_names(text):
    assert not is_name(text)
