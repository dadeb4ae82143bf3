"""Canonical JSON: one value, one text (RFC 8785, without floating point)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.model.canonical import MAX_DEPTH, MAX_INTEGER, canonical_json, parse_canonical, parse_json

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_a_value_comes_back_equal_from_its_text(value):
    assert parse_canonical(canonical_json(value)) == value


@given(st.dictionaries(keys, scalars, max_size=6), st.randoms())
def test_the_order_in_which_an_object_was_made_does_not_show(members, random):
    shuffled = list(members.items())
    random.shuffle(shuffled)
    assert canonical_json(dict(shuffled)) == canonical_json(members)


@given(values)
def test_any_other_writing_of_the_value_is_refused(value):
    text = canonical_json(value)
    for other in (b" " + text, text + b"\n", json.dumps(value, indent=1, sort_keys=True).encode()):
        if other != text:
            with pytest.raises(ValueError, match="canonical form"):
                parse_canonical(other)


# RFC 8785 §3.2.2.2 and §3.2.3.
def test_texts_are_escaped_as_the_rfc_says():
    assert canonical_json('\x08\t\n\x0c\r"\\/\x00\x1f\x7f€😀\u2028') == (
        '"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\x7f€😀\u2028"'.encode()
    )


def test_members_are_sorted_and_nothing_is_between_them():
    assert canonical_json({"b": [1, {"z": None, "a": True}], "a": "", "B": -5}) == (
        b'{"B":-5,"a":"","b":[1,{"a":true,"z":null}]}'
    )


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        "\ud800",
        b"bytes",
        {1: "a"},
        {"é": 1},
        {"a\n": 1},
        {1, 2},
        [object()],
    ],
)
def test_what_has_no_canonical_text_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        canonical_json(value)


@pytest.mark.parametrize(
    "text",
    [
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b"1.0",
        b"1e3",
        b"-0",
        b'"\\u0041"',
        b'"\\/"',
        b'"\\u001F"',
        b"NaN",
        b'"a',
        b"",
        b"\xff",
        b"9007199254740992",
        b"[" * 100_000,
    ],
)
def test_a_text_that_is_not_canonical_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_canonical(text)


def nested(levels):
    return [nested(levels - 1)] if levels > 1 else []


def test_nesting_has_a_limit():
    assert canonical_json(nested(MAX_DEPTH))
    with pytest.raises(ValueError, match="levels"):
        canonical_json(nested(MAX_DEPTH + 1))


def test_json_in_any_form_can_be_read_without_asking_for_the_canonical_one():
    assert parse_json(b' {"b": 1.0, "a": 2} ') == {"b": 1.0, "a": 2}
    with pytest.raises(ValueError, match="deeply"):
        parse_json(b"[" * 100_000)
