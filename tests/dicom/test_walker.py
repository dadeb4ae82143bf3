"""The top level of a data set: wanted values are found wherever they are before the pixel data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.dicom.elements import Encoding
from retention.dicom.limits import DEFAULT, Budget, Limits
from retention.dicom.readers import BytesReader
from retention.dicom.source import Window
from retention.dicom.tags import PATIENT_ID, PIXELS, SEX
from retention.dicom.walker import Walker
from retention.model.errors import InputLimitError, InvalidDicomError
from tests.dicom.writing import ITEM_END, SEQUENCE_END, UNDEFINED, explicit, implicit, item

SOME_PIXELS = explicit(0x7FE00010, "OW", b"\0" * 100)


def walked(data, *, is_implicit=False, is_big_endian=False, limits=DEFAULT):
    budget = Budget(limits)
    walker = Walker(Window(BytesReader(data), budget), budget, Encoding(is_implicit, is_big_endian))
    walker.walk(0, until=PIXELS)
    return walker


@given(
    fillers=st.lists(
        st.tuples(st.sampled_from(["LO", "OB", "UN", "US"]), st.integers(0, 20_000)), max_size=6
    ),
    is_implicit=st.booleans(),
    order=st.sampled_from("<>"),
)
def test_a_value_is_found_behind_any_elements_in_any_encoding(fillers, is_implicit, order):
    def written(tag, vr, value):
        return implicit(tag, value, order=order) if is_implicit else explicit(tag, vr, value, order=order)

    head = b"".join(
        written(0x00090010 + number, vr, bytes(size)) for number, (vr, size) in enumerate(fillers)
    )
    data = head + written(PATIENT_ID, "LO", b"P1") + written(0x7FE00010, "OW", bytes(10))
    walker = walked(data, is_implicit=is_implicit, is_big_endian=order == ">")
    assert walker.values == {PATIENT_ID: b"P1"}
    assert walker.stop is not None
    assert (walker.stop.tag, walker.stop.end) == (0x7FE00010, len(data))


@pytest.mark.parametrize("tag", [0x7FE00008, 0x7FE00009, 0x7FE00010])
def test_any_pixel_data_end_the_walk(tag):
    walker = walked(explicit(tag, "OW", bytes(8)) + explicit(PATIENT_ID, "LO", b"P1"))
    assert walker.stop is not None
    assert (walker.stop.tag, walker.values) == (tag, {})


def test_elements_out_of_order_behind_high_tags_are_found():
    assert walked(explicit(0xFFFF0010, "LO", b"x") + explicit(PATIENT_ID, "LO", b"P1")).values == {
        PATIENT_ID: b"P1"
    }


def test_values_inside_sequences_are_not_those_of_the_data_set():
    inner = explicit(PATIENT_ID, "LO", b"OTHER")
    known = explicit(0x00081140, "SQ", item(inner))
    unknown = (
        explicit(0x00081150, "SQ", item(inner, length=UNDEFINED) + ITEM_END, length=UNDEFINED) + SEQUENCE_END
    )
    assert walked(known + unknown + explicit(SEX, "CS", b"F ")).values == {SEX: b"F "}


@pytest.mark.parametrize(
    ("first", "second", "kept"), [(b"A", b"B", b"B"), (b"A", b"", b"A"), (b"", b"B", b"B")]
)
def test_of_several_values_the_last_that_is_not_empty_is_kept(first, second, kept):
    assert walked(explicit(SEX, "CS", first) + explicit(SEX, "CS", second)).values == {SEX: kept}


@pytest.mark.parametrize("size", [64, 65, 40_000])  # in the first window, and beyond it
def test_a_value_longer_than_any_fact_is_not_held(size):
    walker = walked(explicit(PATIENT_ID, "UT", b"x" * size), limits=Limits(value_bytes=64))
    assert walker.values == {PATIENT_ID: b"x" * size if size == 64 else b""}


@pytest.mark.parametrize("stray", [ITEM_END, SEQUENCE_END, item(b"abcd"), item(length=UNDEFINED)])
def test_items_and_delimiters_astray_are_passed(stray):
    assert walked(stray + explicit(PATIENT_ID, "LO", b"P1")).values == {PATIENT_ID: b"P1"}


def test_implicit_elements_in_an_explicit_data_set_are_passed():
    data = implicit(0x00090010, b"abcdef") + explicit(PATIENT_ID, "LO", b"P1")
    assert walked(explicit(0x00080060, "CS", b"CT") + data).values[PATIENT_ID] == b"P1"


def test_a_value_cut_by_the_end_counts_as_far_as_it_goes():
    budget = Budget(DEFAULT)
    data = explicit(PATIENT_ID, "LO", b"PATIENT", length=50)
    walker = Walker(Window(BytesReader(data), budget), budget, Encoding(False, False))
    with pytest.raises(InvalidDicomError):
        walker.walk(0, until=PIXELS)
    assert walker.values == {PATIENT_ID: b"PATIENT"}


@pytest.mark.parametrize("length", range(1, 8))
def test_a_few_bytes_of_padding_at_the_end_are_no_element(length):
    assert walked(explicit(PATIENT_ID, "LO", b"P1") + bytes(length)).values == {PATIENT_ID: b"P1"}


def test_elements_are_bounded():
    with pytest.raises(InputLimitError) as raised:
        walked(explicit(0x00090010, "LO", b"x") * 101, limits=Limits(element_count=100))
    assert raised.value.context["reason"] == "limit-elements"
    walked(explicit(0x00090010, "LO", b"x") * 99, limits=Limits(element_count=100))
