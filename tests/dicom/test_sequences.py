"""Values of undefined length end where their writer ended them, and where a careless one should have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.dicom.elements import Elements
from retention.dicom.limits import DEFAULT, Budget, Limits
from retention.dicom.readers import BytesReader
from retention.dicom.sequences import Sequences
from retention.dicom.source import Window
from retention.model.errors import InputLimitError, InvalidDicomError
from tests.dicom.writing import ITEM_END, SEQUENCE_END, UNDEFINED, explicit, implicit, item

NEXT = explicit(0x00100010, "PN", b"Next")
OPEN = explicit(0x00081140, "SQ", length=UNDEFINED)


def skipped(data, *, is_implicit=False, limits=DEFAULT):
    budget = Budget(limits)
    window = Window(BytesReader(data), budget)
    elements = Elements(window, is_big_endian=False)
    element = elements.element_at(0, is_implicit=is_implicit)
    return Sequences(window, elements, budget, is_big_endian=False).skip(element, is_implicit=is_implicit)


@st.composite
def contents(draw, depth=2):
    """Elements of an item, explicit or implicit, nested."""
    parts = []
    for number in range(draw(st.integers(0, 2))):
        tag = 0x00090000 + 0x10 * number + 0x10
        if depth and draw(st.booleans()):
            parts.append(draw(sequences(tag, depth=depth - 1)))
        else:
            parts.append(
                explicit(tag, draw(st.sampled_from(["LO", "OB", "UN"])), draw(st.binary(max_size=20)))
            )
    return b"".join(parts)


@st.composite
def sequences(draw, tag, depth=2):
    """A sequence with or without a length, of items with or without one."""
    items = [
        item(content, length=UNDEFINED) + ITEM_END if draw(st.booleans()) else item(content)
        for content in draw(st.lists(contents(depth=depth), max_size=2))
    ]
    value = b"".join(items)
    if draw(st.booleans()):
        return explicit(tag, "SQ", value)
    return explicit(tag, draw(st.sampled_from(["SQ", "UN"])), value, length=UNDEFINED) + SEQUENCE_END


@given(st.lists(contents(), max_size=3), st.booleans())
def test_any_sequence_ends_behind_its_delimiter(all_contents, have_length):
    items = [item(c) if have_length else item(c, length=UNDEFINED) + ITEM_END for c in all_contents]
    data = OPEN + b"".join(items) + SEQUENCE_END
    assert skipped(data + NEXT) == len(data)


def test_implicit_sequences():
    inner = implicit(
        0x00081199, item(implicit(0x00081150, b"1.2"), length=UNDEFINED) + ITEM_END, length=UNDEFINED
    )
    data = (
        implicit(0x00081140, item(inner + SEQUENCE_END, length=UNDEFINED), length=UNDEFINED)
        + ITEM_END
        + SEQUENCE_END
    )
    assert skipped(data + implicit(0x00100010, b"Next"), is_implicit=True) == len(data)


def test_implicit_items_in_an_explicit_data_set():
    data = explicit(0x00091140, "UN", length=UNDEFINED)
    data += item(implicit(0x00081150, b"1.2.3"), length=UNDEFINED) + ITEM_END + SEQUENCE_END
    assert skipped(data + NEXT) == len(data)


def test_pixel_data_in_an_item_end_nothing():
    icon = explicit(0x7FE00010, "OB", b"\1\2") + explicit(
        0x7FE10010, "OB", item() + item(b"ab"), length=UNDEFINED
    )
    data = OPEN + item(icon + SEQUENCE_END, length=UNDEFINED) + ITEM_END + SEQUENCE_END
    assert skipped(data + NEXT) == len(data)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(item(explicit(0x00081150, "UI", b"1.2")), id="the sequence is never closed"),
        pytest.param(
            item(explicit(0x00081150, "UI", b"1.2"), length=6), id="the item is longer than it says"
        ),
        pytest.param(b"", id="there are neither items nor a delimiter"),
    ],
)
def test_where_a_delimiter_is_missing_the_next_element_of_the_data_set_is_found(value):
    assert skipped(OPEN + value + NEXT) == len(OPEN + value)


def test_an_item_that_is_never_closed_ends_with_its_sequence():
    data = OPEN + item(explicit(0x00081150, "UI", b"1.2"), length=UNDEFINED) + item() + SEQUENCE_END
    assert skipped(data + NEXT) == len(data)


def test_fragments_may_hold_the_bytes_of_a_delimiter():
    data = explicit(0x00091010, "OB", item(b"") + item(SEQUENCE_END * 3), length=UNDEFINED) + SEQUENCE_END
    assert skipped(data + NEXT) == len(data)


def test_fragments_out_of_order_end_at_the_first_delimiter():
    data = explicit(0x00091010, "OB", b"no fragments at all", length=UNDEFINED) + SEQUENCE_END
    assert skipped(data + NEXT) == len(data)


def test_a_delimiter_is_found_across_windows():
    for filler in range(16_384 - 32, 16_384 + 4):
        data = explicit(0x00091010, "OB", bytes(filler), length=UNDEFINED) + SEQUENCE_END
        assert skipped(data + NEXT) == len(data)


@pytest.mark.parametrize(
    "data",
    [
        OPEN + item(length=UNDEFINED),
        OPEN + item(b"abc", length=900),
        explicit(9 << 16, "OB", b"x", length=UNDEFINED),
    ],
)
def test_what_ends_before_its_delimiter_is_truncated(data):
    with pytest.raises(InvalidDicomError) as raised:
        skipped(data)
    assert raised.value.context["reason"] == "truncated-head"


@pytest.mark.parametrize("depth", [1, 64, 65, 100_000])
def test_nesting_is_bounded(depth):
    data = (OPEN + item(length=UNDEFINED)) * depth + (ITEM_END + SEQUENCE_END) * depth
    if depth <= 64:
        assert skipped(data + NEXT) == len(data)
    else:
        with pytest.raises(InputLimitError) as raised:
            skipped(data + NEXT)
        assert raised.value.context["reason"] == "limit-depth"


@pytest.mark.parametrize(
    ("vr", "value"),
    [("SQ", item() * 2000), ("SQ", (item(length=UNDEFINED) + ITEM_END) * 1000), ("OB", item() * 2000)],
)
def test_items_and_fragments_are_bounded(vr, value):
    with pytest.raises(InputLimitError) as raised:
        skipped(
            explicit(0x00091140, vr, value, length=UNDEFINED) + SEQUENCE_END,
            limits=Limits(element_count=1000),
        )
    assert raised.value.context["reason"] == "limit-elements"
