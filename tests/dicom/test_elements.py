"""One element's header, in every encoding, and measured anew where it cannot be true."""

import pytest

from retention.dicom.elements import Element, Elements, Encoding, encodings_of
from retention.dicom.limits import Budget, Limits
from retention.dicom.readers import BytesReader
from retention.dicom.source import Window
from retention.model.errors import InvalidDicomError
from tests.dicom.writing import ITEM_END, UNDEFINED, explicit, implicit, item

LITTLE, BIG = Encoding(False, False), Encoding(False, True)
PATIENT_ID, NEXT = 0x00100020, explicit(0x00100030, "DA", b"19700101")


def elements_of(data, *, is_big_endian=False):
    return Elements(Window(BytesReader(data), Budget(Limits())), is_big_endian=is_big_endian)


@pytest.mark.parametrize(
    ("first", "syntax", "expected"),
    [
        (explicit(0x00080005, "CS", b"x"), None, [LITTLE]),
        (explicit(0x00080005, "CS", b"x", order=">"), None, [BIG, LITTLE]),
        (implicit(0x00080005, b"ISO_IR 100"), None, [Encoding(True, False)]),
        (explicit(0x00080005, "CS", b"x"), "1.2.840.10008.1.2", [LITTLE]),  # says implicit, is not
        (implicit(0x00080005, b"ISO_IR 100"), "1.2.840.10008.1.2.1", [Encoding(True, False)]),
        (explicit(0x00080005, "CS", b"x", order=">"), "1.2.840.10008.1.2.1", [LITTLE, BIG]),
        (explicit(0x00080005, "CS", b"x"), "1.2.840.10008.1.2.2", [BIG, LITTLE]),
        (b"", None, [Encoding(True, False)]),
    ],
)
def test_the_encoding_is_seen_and_the_byte_order_tried_both_ways_in_doubt(first, syntax, expected):
    assert encodings_of(first[:8], syntax) == expected


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("vr", "header_bytes"), [("LO", 8), ("UT", 12), ("OB", 12), ("US", 8)])
def test_explicit_headers(order, vr, header_bytes):
    data = explicit(PATIENT_ID, vr, b"abcd", order=order)
    element = elements_of(data, is_big_endian=order == ">").element_at(0, is_implicit=False)
    assert element == Element(PATIENT_ID, vr.encode(), header_bytes, 4)
    assert element.end == len(data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_implicit_headers(order):
    elements = elements_of(implicit(PATIENT_ID, b"abcd", order=order), is_big_endian=order == ">")
    assert elements.element_at(0, is_implicit=True) == Element(PATIENT_ID, b"", 8, 4)


@pytest.mark.parametrize("vr", ["ZZ", "\0\0", "\xff\xff", "U ", "ui"])
@pytest.mark.parametrize("form", ["HH2sH", "HH2s2xI"])
def test_an_unknown_vr_has_the_length_after_which_an_element_follows(vr, form):
    data = explicit(PATIENT_ID, "LO" if form == "HH2sH" else "UT", b"abcdef")
    data = data[:4] + vr.encode("latin-1") + data[6:]
    element = elements_of(data + NEXT).element_at(0, is_implicit=False)
    assert (element.tag, element.length, element.end) == (PATIENT_ID, 6, len(data))


def test_a_length_of_32_bits_where_there_should_be_16_is_recognised():
    data = implicit(PATIENT_ID, b"abcdef")  # in an explicit data set; as "explicit" it has no VR
    assert elements_of(data + NEXT).element_at(0, is_implicit=False).end == len(data)


def test_a_known_vr_that_would_end_past_the_end_is_measured_in_the_other_ways():
    data = explicit(PATIENT_ID, "LO", b"abcdef").replace(b"LO", b"UT")  # UT with a length of 16 bits
    assert elements_of(data + NEXT).element_at(0, is_implicit=False).end == len(data)


def test_pixel_data_that_are_cut_short_are_believed():
    data = explicit(0x7FE00010, "OW", b"\0\0", length=1000)
    assert elements_of(data).element_at(0, is_implicit=False).length == 1000


def test_delimiters_and_items_have_no_vr_in_any_encoding():
    data = item(b"abcd") + ITEM_END
    elements = elements_of(data)
    assert elements.element_at(0, is_implicit=False) == Element(0xFFFEE000, b"", 8, 4)
    assert elements.element_at(12, is_implicit=False).tag == 0xFFFEE00D


def test_an_undefined_length_is_reported_as_it_is():
    data = explicit(0x00081140, "SQ", length=UNDEFINED) + item() + NEXT
    assert elements_of(data).element_at(0, is_implicit=False).length == UNDEFINED


@pytest.mark.parametrize("length", range(8))
def test_less_than_a_header_is_the_end(length):
    with pytest.raises(InvalidDicomError, match="ends inside") as raised:
        elements_of(NEXT[:length]).element_at(0, is_implicit=False)
    assert raised.value.context["reason"] == "truncated-head"
